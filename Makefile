PY := .venv/bin/python

.PHONY: install serve test lint contract fuzz power bench survey clean

.venv/ready: pyproject.toml
	python3 -m venv .venv || (python3 -m pip install --quiet --user virtualenv && python3 -m virtualenv --quiet .venv)
	$(PY) -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	$(PY) -m compileall -q mockserver
	touch .venv/ready

install: .venv/ready

serve: install
	@.venv/bin/mockserver serve $(ARGS)

test: install
	$(PY) -m pytest -n auto --dist loadgroup $(ARGS)

lint: install
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

contract: install
	$(PY) -m pytest contract_tests $(ARGS)

fuzz: install
	$(PY) -m pytest contract_tests --max-examples 300 $(ARGS)

power: install
	@$(PY) -m contract_tests.power $(ARGS)

bench: install
	$(PY) -m tests.bench.run

survey: install
	@test -n "$(DOCS)" || { echo "say which folder of documents: make survey DOCS=FOLDER"; exit 2; }
	$(PY) -m tests.survey $(DOCS) $(ARGS)

clean:
	rm -rf .venv tests/node/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
