/** What an oracle says when the stack did something that it must never do, whatever its devices do. */
export class Finding extends Error {
  /**
   * @param oracle which rule was broken; a shrunken run must break the same one
   */
  constructor(
    readonly oracle: string,
    detail: string,
  ) {
    super(`${oracle}: ${detail}`);
    this.name = "Finding";
  }
}

/** Throws a Finding unless `holds`. */
export function expect(holds: boolean, oracle: string, detail: () => string): asserts holds {
  if (!holds) throw new Finding(oracle, detail());
}
