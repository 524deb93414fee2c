// What can stand at a place of a workflow's document, by the schema and by what the document says so far. It reads no
// YAML: lines, indents and braces are enough for suggestions, and work while a line is half written.
window.fettleWords = (schema) => {
  const kinds = (of, key) =>
    Object.fromEntries(schema.$defs[of].oneOf.map((kind) => [kind.properties[key].const, kind]));
  const triggers = kinds("trigger", "trigger");
  const actions = kinds("action", "action");
  const rows = Object.assign({}, ...schema.$defs.row.oneOf.map((row) => row.properties));
  const said = (values, meta) => values.map((value) => ({ value: String(value), meta }));

  // The nodes that are written so far, with their kind as far as it is known.
  const nodesOf = (lines) => {
    const found = [];
    let depth = null;
    for (const line of lines.slice(lines.findIndex((one) => /^nodes:/.test(one)) + 1)) {
      const key = /^( +)([\w-]+):(.*)/.exec(line);
      if (/^\S/.test(line)) break;
      depth ??= key?.[1].length ?? null;
      if (key && key[1].length === depth) found.push({ name: key[2], text: "" });
      if (found.length) found.at(-1).text += `${line}\n`;
    }
    return found.map(({ name, text }) => ({
      name,
      trigger: /\btrigger: *([\w.-]+)/.exec(text)?.[1],
      action: /\baction: *([\w.-]+)/.exec(text)?.[1],
      branch: /\bif:/.test(text),
    }));
  };

  const waysOf = (node) => {
    if (node.branch) return [`${node.name}.true`, `${node.name}.false`];
    return node.action ? [node.name, `${node.name}.error`] : [node.name];
  };

  const named = (nodes, eventOnly) => {
    const events = nodes.filter((node) => triggers[node.trigger]).map((node) => triggers[node.trigger]["x-gives"]);
    const everywhere = (events[0] ?? []).filter((path) => events.every((paths) => paths.includes(path)));
    const values = said(everywhere.map((path) => `event.${path}`), "event");
    if (eventOnly) return values;
    for (const { name, action, branch } of nodes) {
      const gives = actions[action] ? [...actions[action]["x-gives"], "error.code", "error.message"] : branch ? ["holds"] : [];
      values.push(...said(gives.map((path) => `${name}.${path}`), name));
    }
    return values;
  };

  // The keys around a place: by indents above its line, by braces inside it.
  const pathAt = (lines, row, before) => {
    const path = [];
    let indent = before.search(/[^ ]|$/);
    for (let above = row - 1; above >= 0 && indent > 0; above -= 1) {
      const key = /^( *)(?:- +)?([\w-]+):/.exec(lines[above]);
      if (!key || key[1].length >= indent) continue;
      path.unshift(key[2]);
      indent = key[1].length;
    }
    const open = [];
    let last = "";
    for (const piece of before.match(/"[^"]*"?|'[^']*'?|[\w-]+(?= *:)|[{}[\],]/g) ?? []) {
      if (piece === "{" || piece === "[") open.push(last), (last = "");
      else if (piece === "}" || piece === "]") last = open.pop() ?? "";
      else if (piece === ",") last = "";
      else if (/^[\w-]+$/.test(piece)) last = piece;
    }
    return [...path, ...open.filter(Boolean)];
  };

  // The keys of what stands behind `path`, in each of the forms that it may have.
  const below = (keys, path) => {
    if (!path.length) return keys;
    const about = keys[path[0]] ?? {};
    const forms = [about, ...(about.anyOf ?? [])].map((one) => (one.$ref ? schema.$defs[one.$ref.split("/").at(-1)] : one));
    return below(Object.assign({}, ...forms.map((one) => one.properties ?? {})), path.slice(1));
  };

  const keysAt = (path, nodes) => {
    if (!path.length) return schema.properties;
    if (path[0] !== "nodes" || path.length < 2) return {};
    const node = nodes.find((one) => one.name === path[1]) ?? {};
    if (path[2] === "if") {
      const inside = path.slice(3).filter((key) => !["all", "any"].includes(key));
      return path.length === 3 ? { all: {}, any: {}, cel: {} } : below(rows, inside);
    }
    if (path[2] === "with") return below(actions[node.action]?.properties.with.properties ?? {}, path.slice(3));
    if (node.trigger) return triggers[node.trigger]?.properties ?? {};
    if (node.action) return actions[node.action]?.properties ?? {};
    return { trigger: {}, after: {}, if: {}, action: {}, with: {} };
  };

  const valuesOf = (about) => {
    if (!about) return [];
    if (about.type === "boolean") return [true, false];
    return about.enum ?? (about.anyOf ?? []).flatMap(valuesOf);
  };

  return (lines, row, column) => {
    const before = lines[row].slice(0, column);
    const nodes = nodesOf(lines);
    const path = pathAt(lines, row, before);
    if (/\bref: *[\w.-]*$/.test(before) || /\{\{[^}]*$/.test(before)) return named(nodes, false);
    if (/\b(where|cel): .*$/.test(before)) return named(nodes, /\bwhere: /.test(before));
    if (/\bafter: *\[[^\]]*$/.test(before) || (/^ *- *[\w.-]*$/.test(before) && path.at(-1) === "after")) {
      return nodes.filter((node) => node.name !== path[1]).flatMap((node) => said(waysOf(node), "node"));
    }
    const value = /([\w-]+): *[\w.-]*$/.exec(before)?.[1];
    if (value === "trigger") return said(Object.keys(triggers), "trigger");
    if (value === "action") return said(Object.keys(actions), "action");
    if (value) return said(valuesOf(keysAt(path, nodes)[value]), value);
    if (!/(^ *(- +)?|[{,] *)[\w-]*$/.test(before)) return [];
    return Object.entries(keysAt(path, nodes)).map(([key, about]) => ({ value: `${key}: `, meta: about.description ?? "" }));
  };
};
