/** The parts of documents that are generated: what stands between two markers, which stay where they are. */

/** A document does not have both markers, in order. */
export class MarkerError extends Error {}

/** The place of a section: what is before it with the first marker, and what is behind it with the last. */
function around(document: string, file: string, name: string): { before: string; section: string; behind: string } {
  const begin = `<!-- ${name}:begin -->`;
  const end = `<!-- ${name}:end -->`;
  const first = document.indexOf(begin);
  const last = document.indexOf(end);
  if (first < 0 || last < first) throw new MarkerError(`${file} needs ${begin} before ${end}`);
  const from = first + begin.length;
  return { before: document.slice(0, from), section: document.slice(from, last), behind: document.slice(last) };
}

/**
 * The text of a section.
 *
 * @param file what the document is called, for the error
 * @param name what its markers begin with
 */
export function sectionOf(document: string, file: string, name: string): string {
  return around(document, file, name).section;
}

/** The document with another text in a section, not yet in the project's layout. */
export function withSection(document: string, file: string, name: string, text: string): string {
  const { before, behind } = around(document, file, name);
  return `${before}\n\n${text}\n\n${behind}`;
}
