// Runs JavaScript programs for nursery.py, one after the other in this process, each as a module of its own and with its
// own environment: a line of JSON comes in for each, its exit status goes out. A thread for each would have to compile
// its own `fetch`, which takes ten times as long as most programs.
import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { setImmediate as turn } from "node:timers/promises";
import { inspect } from "node:util";
import { pathToFileURL } from "node:url";

const DISPATCHER = Symbol.for("undici.globalDispatcher.1");
const write = process.stdout.write.bind(process.stdout);
const said = { stdout: "", stderr: "" };
let status = 0;

function fail(error) {
  said.stderr += `${error?.stack ?? inspect(error)}\n`;
  status = 1;
}

class Exit extends Error {}

for (const name of Object.keys(said)) {
  process[name].write = (chunk) => {
    said[name] += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
    return true;
  };
}
process.on("unhandledRejection", fail);
process.exit = (code) => {
  status = code ?? 0;
  throw new Exit();
};

async function run({ path, environment, seconds }) {
  Object.assign(said, { stdout: "", stderr: "" });
  status = 0;
  process.chdir(dirname(path));
  process.env = { ...environment };
  let alarm;
  const late = new Promise((_, reject) => {
    alarm = setTimeout(() => reject(new Error(`it did not end within ${seconds} s`)), seconds * 1000);
  });
  try {
    await Promise.race([import(pathToFileURL(path)), late]);
    await turn();
  } catch (error) {
    if (!(error instanceof Exit)) fail(error);
  }
  clearTimeout(alarm);
  await closeConnections();
  for (const [name, text] of Object.entries(said)) writeFileSync(name, text);
  return status;
}

// As at the end of a process: the next program opens its own.
async function closeConnections() {
  const used = globalThis[DISPATCHER];
  if (!used) return;
  globalThis[DISPATCHER] = new used.constructor();
  await used.destroy();
}

for await (const line of createInterface({ input: process.stdin })) write(`${await run(JSON.parse(line))}\n`);
