// Draws docs/truth-table.svg from a real run of the walkthrough: what the terminal shows after its last step.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { ensureBuild, ensurePackages, ROOT } from "./prepare.mjs";

ensurePackages();
ensureBuild();
const run = spawnSync(process.execPath, [path.join(ROOT, "dist/bin/tortie.js"), "demo"], { encoding: "utf8" });
const lines = run.stdout.trimEnd().split("\n");
const from = lines.findIndex((line) => line.startsWith("── 3."));
const shown = ["$ npm start", ...lines.slice(0, 6), "   …", "", ...lines.slice(from).filter((line) => !line.includes("in force on"))];

const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const colour = (line) =>
  escape(line)
    .replace(/✓/g, '<tspan class="good">✓</tspan>')
    .replace(/✕/g, '<tspan class="bad">✕</tspan>')
    .replace(/now open/g, '<tspan class="good">now open</tspan>')
    .replace(/now closed/g, '<tspan class="bad">now closed</tspan>')
    .replace(/the model and the kernel agreed on every one/, '<tspan class="good">the model and the kernel agreed on every one</tspan>');
const width = Math.max(...shown.map((line) => line.length)) * 8.43 + 40;
const height = shown.length * 19 + 36;
const rows = shown.map((line, index) => {
  const kind = line.startsWith("──") ? ' class="head"' : line.startsWith("   $") || line.startsWith("$") ? ' class="dim"' : "";
  return `<text x="20" y="${32 + index * 19}"${kind} xml:space="preserve">${colour(line)}</text>`;
});
writeFileSync(
  path.join(ROOT, "docs/truth-table.svg"),
  `<svg xmlns="http://www.w3.org/2000/svg" width="${Math.ceil(width)}" height="${height}" role="img" aria-label="Terminal: the truth table of the go-demo-2 walkthrough, measured with real packets">
<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace;fill:#d8dee9}.good{fill:#7fd97f}.bad{fill:#ff7b72}.head{font-weight:bold;fill:#fff}.dim{fill:#8b949e}</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${rows.join("\n")}
</svg>
`,
);
