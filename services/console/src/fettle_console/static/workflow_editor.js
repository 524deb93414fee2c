// The document of a workflow: an editor above the plain field, checked by the service as one types, with the graph
// beside it. Without the editor, or without an answer, the field and its buttons do everything.
(() => {
  const REST_MS = 500;
  const field = document.getElementById("document");
  const form = field.form;
  const side = document.getElementById("checked");
  let editor = null;

  const show = (line, column) => {
    if (editor) {
      editor.gotoLine(line, column - 1, false);
      editor.focus();
      return;
    }
    const lines = field.value.split("\n");
    const at = Math.min(line, lines.length) - 1;
    const before = lines.slice(0, at).reduce((sum, one) => sum + one.length + 1, 0);
    field.focus();
    field.setSelectionRange(before + Math.min(column - 1, lines[at].length), before + lines[at].length);
    field.scrollTop = (field.scrollHeight / lines.length) * Math.max(0, at - 5);
    field.scrollIntoView({ block: "nearest" });
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-line]");
    if (!link) return;
    event.preventDefault();
    show(Number(link.dataset.line), Number(link.dataset.column));
  });

  const mark = () => {
    const faults = [...side.querySelectorAll(".faults a")];
    editor?.session.setAnnotations(
      faults.map((link) => ({
        row: link.dataset.line - 1,
        column: link.dataset.column - 1,
        text: link.dataset.says,
        type: "error",
      })),
    );
  };

  // What the service says of the text; the graph of a faulty text is the last one that there was.
  let asked = 0;
  const check = async () => {
    const number = (asked += 1);
    const body = new URLSearchParams({ document: field.value });
    let page = null;
    try {
      const answer = await fetch(form.dataset.check, { method: "POST", body });
      if (answer.ok) page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch {
      // Said below.
    }
    if (number !== asked) return;
    const [verdict, graph] = ["verdict", "drawn"].map((id) => page?.getElementById(id));
    if (!page) {
      document.getElementById("verdict").textContent = "Not checked: Fettle does not answer, or you were signed out.";
      return;
    }
    document.getElementById("verdict").replaceWith(verdict);
    const shown = document.getElementById("drawn");
    if (graph.querySelector(".graph") || !shown.querySelector(".graph")) {
      const { scrollLeft, scrollTop } = shown.querySelector(".graph-room") ?? {};
      shown.replaceWith(graph);
      if (scrollTop === undefined) window.fettleGraphs(graph);
      else graph.querySelector(".graph-room").scrollTo(scrollLeft, scrollTop);
    }
    document.getElementById("drawn").classList.toggle("stale", !graph.querySelector(".graph"));
    mark();
  };

  let timer = 0;
  const changed = () => {
    clearTimeout(timer);
    timer = setTimeout(check, REST_MS);
  };
  field.addEventListener("input", changed);

  const begin = async () => {
    if (!window.ace) return;
    ace.define("ace/theme/fettle", ["require", "exports"], (_, exports) => {
      exports.cssClass = "ace-fettle"; // its rules stand in workflow_editor.css, in the colours of the page
      exports.cssText = "";
    });
    ace.config.set("useStrictCSP", true);
    const room = document.createElement("div");
    room.id = "code";
    room.textContent = field.value;
    field.before(room);
    editor = ace.edit(room, {
      useWorker: false, // before the mode, which would start one
      mode: "ace/mode/yaml",
      theme: "ace/theme/fettle",
      tabSize: 2,
      useSoftTabs: true,
      showPrintMargin: false,
      fontSize: 13,
      scrollPastEnd: 0,
      enableBasicAutocompletion: true,
      enableLiveAutocompletion: true,
      enableKeyboardAccessibility: true,
      textInputAriaLabel: "Document",
    });
    field.hidden = true;
    field.required = false;
    editor.session.on("change", () => {
      field.value = editor.getValue();
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
    editor.commands.addCommand({
      name: "save",
      bindKey: { win: "Ctrl-Enter|Ctrl-S", mac: "Command-Enter|Command-S" },
      exec: () => form.requestSubmit(form.querySelector(".main")),
    });
    mark();
    const answer = await fetch(form.dataset.schema);
    if (!answer.ok) return;
    const words = window.fettleWords(await answer.json());
    editor.completers = [
      {
        identifierRegexps: [/[\w.-]/],
        getCompletions: (_, session, place, __, give) => {
          const found = words(session.doc.getAllLines(), place.row, place.column);
          give(null, found.map(({ value, meta }) => ({ caption: value.trim(), value, meta: meta.slice(0, 40) })));
        },
      },
    ];
  };

  begin();
  check();
})();
