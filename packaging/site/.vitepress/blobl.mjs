// Bloblang, the language of mappings, for the highlighting of examples.
export const blobl = {
  name: "blobl",
  displayName: "Bloblang",
  scopeName: "source.blobl",
  patterns: [{ include: "#all" }],
  repository: {
    all: {
      patterns: [
        { match: "#.*$", name: "comment.line.number-sign.blobl" },
        { begin: '"""', end: '"""', name: "string.quoted.triple.blobl" },
        { begin: '"', end: '"|$', name: "string.quoted.double.blobl", patterns: [{ match: "\\\\.", name: "constant.character.escape.blobl" }] },
        { match: "\\b(?:let|if|else|match|map|import|from)\\b(?!\\()", name: "keyword.control.blobl" },
        { match: "\\b(?:root|this|meta|error)\\b", name: "variable.language.blobl" },
        { match: "\\b(?:true|false|null)\\b", name: "constant.language.blobl" },
        { match: "[@$][A-Za-z_][A-Za-z0-9_]*", name: "variable.other.blobl" },
        { match: "[A-Za-z_][A-Za-z0-9_]*(?=\\()", name: "entity.name.function.blobl" },
        { match: "(?<![A-Za-z0-9_])-?[0-9]+(?:\\.[0-9]+)?", name: "constant.numeric.blobl" },
        { match: "->|=>|==|!=|<=|>=|&&|\\|\\||[-+*/%=<>!|]", name: "keyword.operator.blobl" },
      ],
    },
  },
};

// Mappings as they stand in configs: a block below one of these keys, alone or as the first of a list's item.
const keys = "mapping|bloblang|mutation|request_map|result_map|args_mapping|doc_map|check";
const block = (begin, end) => ({
  begin: `^( *)${begin}(${keys})(:) ([|>][-+]?) *$`,
  while: `^(?:\\1${end}| *$)`,
  beginCaptures: { 2: { name: "entity.name.tag.yaml" }, 3: { name: "punctuation.separator.key-value.mapping.yaml" }, 4: { name: "keyword.control.flow.block-scalar.literal.yaml" } },
  patterns: [{ include: "source.blobl" }],
});
export const inYaml = {
  name: "blobl-in-yaml",
  scopeName: "wappa.blobl-in-yaml",
  injectTo: ["source.yaml"],
  injectionSelector: "L:source.yaml",
  patterns: [block("- ", " {3,}"), block("", " +")],
};
