"""Prints the lines of Go and of Markdown prose that are wider than 120 columns, with tabs of 4 columns.

Tables, code blocks and lines with long addresses are exempt in Markdown.
"""
import re
import subprocess
import sys

MAX_COLUMNS = 120
ADDRESS = re.compile(r"\S*(://|\]\(|/)\S*")
MAX_ADDRESS = 40


def prose(lines):
    """Yields the numbers and the text of the lines of Markdown that are neither code nor a table."""
    code = False
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("```"):
            code = not code
        elif not code and not line.lstrip().startswith("|") and not line.startswith("    "):
            if not any(len(m.group()) > MAX_ADDRESS for m in ADDRESS.finditer(line)):
                yield number, line


wide = 0
for name in subprocess.check_output(["git", "ls-files", "-z", "*.go", "*.md"], text=True).split("\0")[:-1]:
    with open(name, encoding="utf-8") as file:
        lines = file.read().split("\n")
    for number, line in prose(lines) if name.endswith(".md") else enumerate(lines, 1):
        if len(line.expandtabs(4)) > MAX_COLUMNS:
            print(f"{name}:{number}: {len(line.expandtabs(4))} columns")
            wide += 1
sys.exit(f"lines that are wider than {MAX_COLUMNS} columns: {wide}" if wide else 0)
