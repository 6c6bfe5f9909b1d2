"""The checkers of the exercises, one module for each chapter.

A checker takes an answer and returns "correct", or a sentence that says what is wrong; never the answer.
It leaves what it is handed, and the random state of the process, as they were.
"""
