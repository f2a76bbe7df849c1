"""What people see of a comparison: words, a table in the terminal, a page.

words.py      numbers as text, the same everywhere
verdict.py    what follows from a comparison, in sentences
terminal.py   the table
figures.py    the charts
page.py       report.html
"""
