// Renders formulas for tools/web/formulas.py: one JSON object a line in, one a line out, by the KaTeX named first.
const katex = require(process.argv[2]);
const lines = require("readline").createInterface({ input: process.stdin });

lines.on("line", (line) => {
  const { tex, display } = JSON.parse(line);
  let answer;
  try {
    // strict: what TeX itself would not take is an error, too. The MathML in the result is for screen readers.
    answer = { html: katex.renderToString(tex, { displayMode: display, strict: "error", output: "htmlAndMathml" }) };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
