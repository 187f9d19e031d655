/** MAC address, MTU and link of a card, and what holds where it states none. */
import { Event, Interrupt, Result } from "../../../../assembly/abi/results";
import { events, interrupt, reset } from "../../../../assembly/drivers/calls";
import { net_information, net_open } from "../../../../assembly/drivers/net/calls";
import { addBar, IO } from "../../pci/machine";
import { opens, pciName, plugIn } from "../../scripted/plug";
import { clock_set, device_answer, device_interrupt, device_queue } from "../../scripted/script";
import {
  askInformation,
  card,
  configure,
  handle,
  MAC,
  MRG_RXBUF,
  MTU,
  newCard,
  openCard,
  options,
  plugCard,
  send,
  STATUS,
} from "./card";

/** Opens a card that states this address. */
function openWithMac(mac: u64): void {
  plugCard(MAC);
  configure(0, 6, mac);
  assert(openCard() > 0);
}

function expectGenerated(): void {
  const record = askInformation();
  expect(record.mac_is_generated).toBe(1);
  expect(record.mac & 3).toBe(2, "locally administered, and a single station's");
  expect(record.mac >> 48).toBe(0);
}

/** Opens a card that states this MTU; returns the one that holds. */
function openWithMtu(mtu: u32): u32 {
  plugCard(MTU);
  configure(10, 2, mtu);
  assert(openCard() > 0);
  return askInformation().mtu;
}

describe("the MAC address", () => {
  it("is the device's", () => {
    newCard(MAC);
    expect(askInformation().mac).toBe(0x5634_1200_5452);
    expect(askInformation().mac_is_generated).toBe(0);
    openWithMac(0xfeff_ffff_ff02);
    expect(askInformation().mac).toBe(0xfeff_ffff_ff02);
  });

  it("is read until it stands still", () => {
    plugCard(MAC);
    device_answer(card, 20 + 3, 0x99);
    openCard();
    expect(askInformation().mac).toBe(0x5634_1200_5452);
  });

  it("is made up when the device has none", () => {
    newCard(0);
    expectGenerated();
    plugCard(MAC);
    options.features = 0;
    openCard(true);
    expectGenerated();
  });

  it("is made up when the device's cannot be a station's", () => {
    openWithMac(0);
    expectGenerated();
    openWithMac(0xffff_ffff_ffff);
    expectGenerated();
    openWithMac(0x5634_1200_5453);
    expectGenerated();
    openWithMac(0x0100_0000_0001);
    expectGenerated();
  });

  it("is made up when the device's never stands still", () => {
    plugCard(MAC);
    for (let reading = 0; reading < 64; reading++) device_answer(card, 20, (reading & 0x3f) << 2);
    openCard();
    expectGenerated();
  });

  it("is made up differently for two cards at the same moment", () => {
    newCard(0);
    const first = askInformation().mac;
    const second = plugIn(1, 0, 0x20, 0xd000);
    device_queue(second, 0, 8);
    device_queue(second, 1, 8);
    const other = opens(net_open(0x20, 0));
    expect(other).toBeGreaterThan(0);
    const record = askInformation();
    net_information(other, changetype<u32>(record));
    expect(record.mac_is_generated).toBe(1);
    expect(record.mac).not.toBe(first);
  });

  it("that is made up is a single station's, whatever the clock says", () => {
    for (let now: u64 = 1; now < 40; now++) {
      plugCard(0);
      clock_set(now * 0x1_0001_0001, 0);
      openCard();
      expectGenerated();
    }
  });

  it("that was made up stays the card's own", () => {
    newCard(0);
    const mac = askInformation().mac;
    expect(reset(handle)).toBe(Result.OK);
    expect(askInformation().mac).toBe(mac);
    expect(askInformation().mac_is_generated).toBe(1);
  });
});

describe("the MTU", () => {
  it("is the device's, from 68 on", () => {
    expect(openWithMtu(68)).toBe(68);
    expect(openWithMtu(1400)).toBe(1400);
    expect(openWithMtu(9000)).toBe(9000);
    expect(openWithMtu(65535)).toBe(65535);
    expect(askInformation().features_accepted).toBe(MTU);
  });

  it("below that is not accepted", () => {
    expect(openWithMtu(67)).toBe(1500);
    expect(askInformation().features_accepted).toBe(0);
    expect(openWithMtu(0)).toBe(1500);
  });

  it("is 1500 where the device states none, or the caller wants none", () => {
    newCard(0);
    expect(askInformation().mtu).toBe(1500);
    plugCard(MTU);
    options.features = ~MTU;
    openCard(true);
    expect(askInformation().mtu).toBe(1500);
    plugCard(MTU);
    addBar(pciName, 0, IO, 16, 0xc000);
    expect(openCard()).toBe(Result.E_BAR);
  });

  it("is the limit of frames, with a VLAN tag", () => {
    newCard(MTU);
    expect(send(1, 1400 + 18)).toBe(Result.OK);
    expect(send(2, 1400 + 19)).toBe(Result.E_FRAME_SIZE);
  });

  it("makes receive buffers large enough for it", () => {
    openWithMtu(9000);
    expect(askInformation().receive_buffer_bytes).toBe(9088, "10 + 14 + 4 + 9000, rounded up to 64");
    openWithMtu(65535);
    expect(askInformation().receive_buffer_bytes).toBe(65600);
    openWithMtu(2006);
    expect(askInformation().receive_buffer_bytes).toBe(2048);
    openWithMtu(2021);
    expect(askInformation().receive_buffer_bytes).toBe(2112);
  });
});

describe("the link", () => {
  it("is what the device says", () => {
    newCard(STATUS);
    expect(askInformation().link_up).toBe(1);
    plugCard(STATUS);
    configure(6, 2, 0xfffe);
    openCard();
    expect(askInformation().link_up).toBe(0);
  });

  it("is up where the device does not say", () => {
    plugCard(0);
    configure(6, 2, 0);
    openCard();
    expect(askInformation().link_up).toBe(1);
    device_interrupt(card, 2);
    expect(interrupt(handle)).toBe(Interrupt.CONFIGURATION);
    expect(events(handle)).toBe(0);
  });

  it("is news whenever the device says so: it may have been down in between", () => {
    newCard(STATUS);
    configure(6, 2, 0);
    expect(events(handle)).toBe(0);
    device_interrupt(card, 2);
    interrupt(handle);
    expect(events(handle)).toBe(Event.LINK);
    expect(events(handle)).toBe(0);
    expect(askInformation().link_up).toBe(0);
    device_interrupt(card, 2);
    interrupt(handle);
    expect(events(handle)).toBe(Event.LINK, "up and down again");
    expect(askInformation().link_up).toBe(0);
    configure(6, 2, 3);
    device_interrupt(card, 3);
    interrupt(handle);
    expect(events(handle)).toBe(Event.LINK);
    expect(askInformation().link_up).toBe(1);
  });

  it("is not looked at without a configuration interrupt", () => {
    newCard(STATUS);
    configure(6, 2, 0);
    device_interrupt(card, 1);
    expect(interrupt(handle)).toBe(Interrupt.QUEUE);
    expect(askInformation().link_up).toBe(1);
  });
});

describe("the description of a card", () => {
  it("has the header and the queues that were negotiated", () => {
    newCard(0, 32);
    expect(askInformation().header_bytes).toBe(10);
    expect(askInformation().receive_queue_size).toBe(32);
    expect(askInformation().transmit_queue_size).toBe(32);
    expect(askInformation().buffers_per_frame_max).toBe(1);
    newCard(MRG_RXBUF);
    expect(askInformation().header_bytes).toBe(12);
    expect(askInformation().features_offered).toBe(MRG_RXBUF);
    expect(askInformation().features_accepted).toBe(MRG_RXBUF);
  });
});
