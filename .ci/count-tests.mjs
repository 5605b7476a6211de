// Prints "N passed, N failed" from vitest's JSON report; fails when one failed or none ran.
import { readFileSync } from "node:fs";

const report = readReport(process.argv[2]);
// A file that could not be loaded has failed without counting a single test.
const broken = report.testResults.filter(
  (file) =>
    file.status === "failed" && file.assertionResults.every(({ status }) => status !== "failed"),
);
for (const { name, message } of broken) process.stdout.write(`${name}: ${message}\n`);
const failed = report.numFailedTests + broken.length;
const skipped = report.numPendingTests + report.numTodoTests;
process.stdout.write(`${report.numPassedTests} passed, ${failed} failed`);
process.stdout.write(skipped > 0 ? `, ${skipped} skipped\n` : "\n");
process.exitCode = failed > 0 || report.numPassedTests === 0 ? 1 : 0;

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    process.stdout.write("The tests left no report.\n");
    return {
      testResults: [],
      numPassedTests: 0,
      numFailedTests: 0,
      numPendingTests: 0,
      numTodoTests: 0,
    };
  }
}
