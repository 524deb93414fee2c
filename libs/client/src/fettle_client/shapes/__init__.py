"""What the API takes and answers, as it stands on the wire: plain dicts. Times are RFC 3339 in UTC, ids are text.

Readers ignore fields that they do not know; a newer Fettle may send more than stands here.
"""
