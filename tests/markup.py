"""What is in a page: its tags, and its numbers by what they measure."""

from __future__ import annotations

from html.parser import HTMLParser


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


class Numbers(HTMLParser):
    """The numbers of a page, by what they measure, and its visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, float] = {}
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "data":
            self.found[str(values["data-metric"])] = float(str(values["value"]))

    def handle_data(self, data: str) -> None:
        self.text += data + " "
