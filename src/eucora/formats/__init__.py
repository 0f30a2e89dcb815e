"""File formats that evidence and artifacts come in: each module turns bytes into the facts of ``domain.findings``.

Documents are streamed: a reader names the parts that it wants (``shape``), and these come one by one (``records``,
``xml_records``), however large the file is. Every reader treats its input as hostile: sizes, depths and counts are
bounded, and whatever is not what it claims to be ends as ``UnreadableEvidence`` that names the place and the way out.
"""
