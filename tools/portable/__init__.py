"""The portable notebooks: the book's notebooks for hosts that do not render MyST.

Colab, GitHub, Kaggle and plain JupyterLab show a directive as code and a role as a strange word. So
``make book`` writes a second set into ``_build/html/notebooks``: the same code cells with the same outputs,
and prose that any Markdown renderer understands. Nothing of it is kept in the repository; the workflow
``site`` puts it on the branch ``portable``, from which the run buttons open it.

``prose`` rewrites one cell, ``names`` asks Sphinx what the website calls a thing, ``cells`` makes a notebook,
``leftovers`` looks for MyST that is left, ``buttons`` knows the hosts, ``branch`` gathers the branch, and
``extension`` is what Sphinx calls.
"""
