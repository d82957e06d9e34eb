// Holds package-lock.json to what an install relies on: npm checks what it downloads only against an integrity that is
// there, and runs no script that package.json does not speak of.
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/**
 * @param {{ packages: Record<string, any> }} lock
 * @param {{ allowScripts?: Record<string, boolean> }} manifest
 * @returns {string[]} what is wrong, one line each
 */
export function lockProblems(lock, manifest) {
  const problems = [];
  const allowed = manifest.allowScripts ?? {};
  const scripts = new Set();
  for (const [key, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const isExact = /^[0-9]+\.[0-9]+\.[0-9]+/.test(version);
      if (isExact && !lock.packages[`node_modules/${name}`] && !lock.packages[`${key}/node_modules/${name}`])
        problems.push(`${name}@${version}, which ${key} wants on other platforms, is missing`);
    }
    if (key === "" || entry.link) continue;
    if (!/^sha512-[A-Za-z0-9+/]{86}==$/.test(entry.integrity ?? "")) problems.push(`${key}: no integrity of SHA-512`);
    if (entry.resolved !== undefined) problems.push(`${key}: names the registry that it came from`);
    if (!entry.hasInstallScript) continue;
    const name = key.slice(key.lastIndexOf("node_modules/") + "node_modules/".length);
    scripts.add(name);
    if (!Object.hasOwn(allowed, name)) problems.push(`${key}: its install script is not named in allowScripts`);
  }
  for (const name of Object.keys(allowed))
    if (!scripts.has(name)) problems.push(`allowScripts names ${name}, which has no install script`);
  return problems;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const read = (name) => JSON.parse(readFileSync(path.join(ROOT, name), "utf8"));
  const problems = lockProblems(read("package-lock.json"), read("package.json"));
  for (const problem of problems) process.stderr.write(`package-lock.json: ${problem}\n`);
  if (problems.length > 0) process.stderr.write("node scripts/complete-lock.mjs adds what is missing\n");
  process.exitCode = problems.length > 0 ? 1 : 0;
}
