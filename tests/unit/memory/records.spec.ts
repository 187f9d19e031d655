/** Which records of the caller's are believed to be in linear memory. */
import { checkRecords } from "../../../assembly/memory/records";

const END: u32 = (<u32>memory.size()) << 16;

describe("checkRecords", () => {
  it("refuses address 0, even of nothing", () => {
    expect(checkRecords(0, 1, 8)).toBe(false);
    expect(checkRecords(0, 0, 8)).toBe(false);
  });

  it("takes records up to the end of memory, and none behind it", () => {
    expect(checkRecords(END - 24, 3, 8)).toBe(true);
    expect(checkRecords(END - 23, 3, 8)).toBe(false);
    expect(checkRecords(END - 8, 2, 8)).toBe(false);
    expect(checkRecords(END - 1, 1, 1)).toBe(true);
    expect(checkRecords(END, 1, 1)).toBe(false);
    expect(checkRecords(0xffff_ffff, 1, 1)).toBe(false);
  });

  it("takes no records at all anywhere in memory", () => {
    expect(checkRecords(END, 0, 8)).toBe(true);
    expect(checkRecords(END + 1, 0, 8)).toBe(false);
  });

  it("is not deceived by a product or a sum beyond 32 bits", () => {
    expect(checkRecords(64, 0x1000_0000, 16)).toBe(false, "2^32 bytes");
    expect(checkRecords(64, 0x0800_0001, 32)).toBe(false);
    expect(checkRecords(64, 0xffff_ffff, 32)).toBe(false);
    expect(checkRecords(0xffff_fff0, 1, 32)).toBe(false, "ends at 16");
  });
});
