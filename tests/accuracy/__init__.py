"""Accuracy on public data, beside a bar and the naive rule: ``python -m tests.accuracy [name ...]``.

Every table says from how many seconds it came. Bars are the best published figure or that of a strong, honest baseline
measured on the same rows; the naive rule is what a spreadsheet would do. Data that are not there are skipped, and why.
"""
