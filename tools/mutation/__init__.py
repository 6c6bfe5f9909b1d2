"""Parts of ``make mutants``, which alone knows them: ``bugs`` to plant, ``tests`` that a bug may turn red,
``fork``, which runs some of them in a moment, and ``trial``, which looks for the first red one.
"""
