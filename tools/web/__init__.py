"""The parts of the website, in the order in which ``tools/website.py`` and Jupyter Book let them work.

``settings`` has what Jupyter Book is told, once for each language.

Before, four write pages from what is kept elsewhere: ``reference`` (the package, name by name), ``lists``
(notebooks, executions, records, exercises), ``measured`` (how reliable and how fast it is) and ``cover`` (the
pictures and the map of the first page); ``generated`` calls them.

While Jupyter Book builds, it calls nine small extensions of Sphinx: ``translated`` (what Sphinx leaves
untranslated), ``formulas`` (rendered by KaTeX),
``glossary_links`` (the first use of a word), ``room_numbers``, ``page_facts`` (the foot of a page),
``inline_figures`` (that follow light and dark), ``touch`` (figures with sliders), ``self_test`` and
``thrift`` (work that changes nothing is left out).

After, nine make of its pages what the reader gets: ``vendor`` (scripts from npm), ``pages`` (mended markup),
``languages`` (the way to the same page in the other language),
``previews`` (what a link to another page shows), ``styles`` and ``icons`` (only what is used), ``one_sheet``
(the style sheets of a page in one), ``scripts`` (the theme's, without its measuring) and ``search_index``.

Two are run by hand when what they draw has changed, and what they write is committed: ``card`` (the picture
beside a link elsewhere) and ``live`` (what stands still on the pages with a network).
"""
