"""What a report looks like: evidence, levels, baselines, and one writer a format.

A writer is a module with `write(report) -> str`. A report never says more than was seen, and what an endpoint has sent
never comes through live: not as markup, not as a terminal's commands, not as a link.
"""
