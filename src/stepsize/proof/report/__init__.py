"""What people see of a comparison: words, a table in the terminal, a page.

words.py      numbers as text, the same everywhere
verdict.py    what follows from a comparison, in sentences
columns.py    the columns of the table; legend.py: what they mean
terminal.py   the table in a terminal
page.py       report.html, of section.py for each comparison
              (forest.py, heat.py, failures.py, curves.py: its figures; tables.py)
"""
