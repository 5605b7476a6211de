// npm start: installs what is missing, then runs everything from its sources. Arguments are those of
// src/main.ts.
//
// package.json starts this by `exec`, so that no shell stands between npm and this process: some
// shells die of a signal and pass nothing on. cmd.exe has no `exec` and takes exec.cmd.
import "./install-missing.mjs";
import path from "node:path";
import { runChild } from "./run-child.mjs";

const main = path.join(import.meta.dirname, "src", "main.ts");
runChild([
  "--conditions=source",
  "--import",
  import.meta.resolve("tsx/esm"),
  main,
  ...process.argv.slice(2),
]);
