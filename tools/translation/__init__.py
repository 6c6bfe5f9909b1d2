"""The book in Chinese: one catalogue of messages, held to the English text, and what is made from it.

``faithful`` holds a translation to its message, ``terms`` to the words of the glossary; ``catalogue`` gathers
the messages and keeps ``locale/``; ``notebooks`` makes the Chinese notebooks.
"""
