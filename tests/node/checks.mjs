// What an application does with the official Node SDK, one check a run.
//
//   node checks.mjs PACKAGE CHECK SETTINGS
//
// PACKAGE is a name in package.json, SETTINGS are JSON: { url, key, folder } and what a check needs besides.
// Prints the facts that the check has found as one line of JSON; what they should be is for test_sdk_node.py to say.

import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const [packageName, check, settings] = process.argv.slice(2);
const { OpenAI, toFile, ...sdk } = await import(packageName);
const { url, key, folder, ...more } = JSON.parse(settings);
const connect = (apiKey) => new OpenAI({ baseURL: url, apiKey, maxRetries: 0 }).videos; // nothing is smoothed over
const videos = connect(key);

/** Poll until the job is no longer at work, as the server advises: this SDK has no helper of its own. */
async function finished(id) {
  for (;;) {
    const { data, response } = await videos.retrieve(id).withResponse();
    if (data.status !== 'queued' && data.status !== 'in_progress') return data;
    await wait(Number(response.headers.get('openai-poll-after-ms')));
  }
}

const createAndPoll = async (body) => finished((await videos.create(body)).id);

/** What an attempt was refused with, the error's class first; null if it was not refused. */
async function refusal(attempt) {
  try {
    await attempt();
    return null;
  } catch (error) {
    const classes = ['BadRequestError', 'AuthenticationError', 'NotFoundError'].filter((n) => error instanceof sdk[n]);
    const { status, param, code, type, requestID, message } = error;
    return { error: classes[0] ?? error.constructor.name, status, param, code, type, requestID, message };
  }
}

async function listed(query) {
  const ids = [];
  for await (const video of videos.list(query)) ids.push(video.id);
  return ids;
}

async function make25() {
  const ids = [];
  for (let n = 0; n < 25; n++) ids.push((await videos.create({ prompt: `Job ${n}` })).id);
  return ids;
}

/** Save a result; gives its media type. */
async function download(id, name, query) {
  const response = await videos.downloadContent(id, query);
  await writeFile(join(folder, name), Buffer.from(await response.arrayBuffer()));
  return response.headers.get('content-type');
}

const checks = {
  // `orders` are bodies of create.
  orders: () => Promise.all(more.orders.map(createAndPoll)),

  async environment() {
    const client = new OpenAI({ maxRetries: 0 });
    const { id } = await client.videos.create({ prompt: 'Configured by the environment' });
    return { made: id, seen: await listed() };
  },

  async references() {
    const file = join(folder, 'reference.png');
    const references = [
      createReadStream(file),
      await toFile(createReadStream(file), 'reference.png', { type: 'image/png' }),
      { image_url: 'https://example.com/cat.png' },
      { file_id: 'file-123' },
    ];
    return Promise.all(references.map((it) => createAndPoll({ prompt: 'From a picture', input_reference: it })));
  },

  async both_references() {
    const input_reference = { image_url: 'https://example.com/cat.png', file_id: 'file-123' };
    return refusal(() => videos.create({ prompt: 'From two places', input_reference }));
  },

  async paging() {
    const made = await make25();
    const pages = [];
    for await (const page of (await videos.list({ limit: 10 })).iterPages()) pages.push(page.data.map(({ id }) => id));
    const [asc, desc] = [await listed({ limit: 10, order: 'asc' }), await listed({ limit: 10, order: 'desc' })];
    return { made, asc, desc, pages };
  },

  async downloads() {
    const video = await createAndPoll({ prompt: 'A river', size: more.size, seconds: more.seconds });
    return {
      'result.mp4': await download(video.id, 'result.mp4'),
      'result.webp': await download(video.id, 'result.webp', { variant: 'thumbnail' }),
      'result.jpg': await download(video.id, 'result.jpg', { variant: 'spritesheet' }),
    };
  },

  async unfinished() {
    const { id } = await videos.create({ prompt: 'Soon' });
    return refusal(() => videos.downloadContent(id));
  },

  async follow_ups() {
    const source = await createAndPoll({ prompt: 'A dog', model: 'sora-2-pro', size: '1792x1024', seconds: '8' });
    const video = { id: source.id };
    const [remix, edit, extension] = await Promise.all([
      videos.remix(source.id, { prompt: 'In the rain' }),
      videos.edit({ prompt: 'Paint it blue', video }),
      videos.extend({ prompt: 'It runs on', seconds: '12', video }),
    ]);
    return {
      source,
      remix: await finished(remix.id),
      edit: await finished(edit.id),
      extension: await finished(extension.id),
    };
  },

  async uploads() {
    const clip = () => toFile(Buffer.from('\0\0\0\x18ftypmp42', 'latin1'), 'clip.mp4', { type: 'video/mp4' });
    return [
      await videos.edit({ prompt: 'Paint it blue', video: await clip() }),
      await videos.extend({ prompt: 'It runs on', seconds: '8', video: await clip() }),
    ];
  },

  async characters() {
    const clip = await toFile(Buffer.from('\0\0\0\x18ftypmp42', 'latin1'), 'mossy.mp4', { type: 'video/mp4' });
    const made = await videos.createCharacter({ name: 'Mossy', video: clip });
    return { made, found: await videos.getCharacter(made.id), listed: await listed() };
  },

  async deletion() {
    const [kept, { id }] = [await createAndPoll({ prompt: 'Keep me' }), await createAndPoll({ prompt: 'Forget me' })];
    const answer = await videos.delete(id);
    const refusals = [];
    for (const method of ['retrieve', 'downloadContent', 'delete']) {
      refusals.push(await refusal(() => videos[method](id)));
    }
    return { kept: kept.id, id, answer, refusals, listed: await listed() };
  },

  refused_length: () => refusal(() => videos.create({ prompt: 'Five seconds', seconds: '5' })),
  missing_prompt: () => refusal(() => videos.create({ model: 'sora-2' })),
  refused_key: () => refusal(() => connect('invalid-key-of-this-test').create({ prompt: 'Let me in' })),

  async other_key() {
    const { id } = await createAndPoll({ prompt: 'Mine' });
    const theirs = connect(`${key}-other`);
    const refusals = [];
    for (const method of ['retrieve', 'downloadContent', 'delete']) {
      refusals.push(await refusal(() => theirs[method](id)));
    }
    return { refusals, still: (await videos.retrieve(id)).id === id };
  },

  crowd: () => Promise.all(Array.from({ length: 200 }, (_, n) => createAndPoll({ prompt: `Job ${n}` }))),
};

console.log(JSON.stringify(await checks[check]()));
