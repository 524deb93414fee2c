// What matches one of the org's link patterns, in what people and machines wrote of a ticket, is a link. It is matched
// here and not by the server: a pattern that takes for ever keeps nobody waiting but its own org's readers.
(() => {
  const rulesOf = (ticket) =>
    JSON.parse(ticket.dataset.linkPatterns).flatMap(({ pattern, url }) => {
      try {
        return [{ pattern: new RegExp(pattern, "g"), url }];
      } catch {
        return []; // a regular expression elsewhere, but not to this browser
      }
    });

  const firstFrom = (start, text, rules) => {
    let first = null;
    for (const { pattern, url } of rules) {
      pattern.lastIndex = start;
      const found = pattern.exec(text);
      if (found && found[0] && (!first || found.index < first.index)) first = { index: found.index, text: found[0], url };
    }
    return first;
  };

  const link = ({ text, url }) => {
    const made = document.createElement("a");
    made.href = url.replaceAll("$0", () => encodeURIComponent(text));
    made.rel = "noopener noreferrer nofollow";
    made.textContent = text;
    return made;
  };

  const linked = (text, rules) => {
    const pieces = [];
    let start = 0;
    for (let found; (found = firstFrom(start, text, rules)); start = found.index + found.text.length) {
      pieces.push(text.slice(start, found.index), link(found));
    }
    return pieces.length ? [...pieces, text.slice(start)] : null;
  };

  const linkAll = () => {
    const ticket = document.getElementById("ticket");
    const rules = ticket ? rulesOf(ticket) : [];
    if (!rules.length) return;
    for (const part of ticket.querySelectorAll(".markdown")) {
      const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
      const plain = [];
      while (walker.nextNode()) if (!walker.currentNode.parentElement.closest("a, code, pre")) plain.push(walker.currentNode);
      for (const node of plain) {
        const pieces = linked(node.data, rules);
        if (pieces) node.replaceWith(...pieces);
      }
    }
  };

  document.addEventListener("htmx:after:swap", linkAll);
  linkAll();
})();
