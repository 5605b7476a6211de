/** Whether a statement is wanted as CSV: the query says so, or else the Accept header. */
export function prefersCsv(format: string | undefined, accept = ""): boolean {
  if (format !== undefined) return format === "csv";
  const csv = qualityOf("text/csv", accept);
  return csv > 0 && csv >= qualityOf("application/json", accept);
}

/** How much a media type is wanted, 0 to 1; 0 when the header does not name it. */
function qualityOf(type: string, accept: string): number {
  for (const range of accept.toLowerCase().split(",")) {
    const [name, ...parameters] = range.split(";").map((part) => part.trim());
    if (name !== type) continue;
    const quality = parameters.find((parameter) => parameter.startsWith("q="));
    return quality === undefined ? 1 : Number(quality.slice(2)) || 0;
  }
  return 0;
}
