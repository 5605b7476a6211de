// What spreadsheets take for the beginning of a formula, also after they have dropped a blank.
const formulaStart = /^\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|^[\t\r\n]/;

/** A row of RFC 4180; its cells are written already. */
export function csvRow(cells: readonly string[]): string {
  return `${cells.join(",")}\r\n`;
}

/**
 * A cell with a text that somebody else chose: quoted, and after an apostrophe when a spreadsheet
 * would take it for a formula. Empty when the text is empty.
 */
export function csvText(text: string): string {
  if (text === "") return "";
  const harmless = formulaStart.test(text) ? `'${text}` : text;
  return `"${harmless.replaceAll('"', '""')}"`;
}
