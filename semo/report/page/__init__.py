"""The report page: one HTML file with a folder beside it that opens from disk, without a server or a network.

Each module gathers one part of a run, `write.write_page` renders them into `templates/`. Tables, notes and provenance
are HTML as they stand; what moves or opens (videos, charts, values of single clips) is drawn by `assets/*.js`.
"""
