// Runs JavaScript programs for nursery.py, each in a thread with an environment and a global scope of its own:
// a line of JSON comes in for each, its exit status goes out.
import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";

async function run({ path, environment, seconds }) {
  process.chdir(dirname(path));
  const worker = new Worker(pathToFileURL(path), { env: environment, stdout: true, stderr: true });
  const errors = [];
  worker.on("error", (error) => errors.push(`${error?.stack ?? error}\n`));
  const alarm = setTimeout(() => worker.terminate(), seconds * 1000);
  const ended = new Promise((resolve) => worker.on("exit", resolve));
  const [status, output, said] = await Promise.all([ended, text(worker.stdout), text(worker.stderr)]);
  clearTimeout(alarm);
  writeFileSync("stdout", output);
  writeFileSync("stderr", said + errors.join(""));
  return status;
}

for await (const line of createInterface({ input: process.stdin })) console.log(await run(JSON.parse(line)));
