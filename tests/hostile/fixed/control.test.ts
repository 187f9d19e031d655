/** Control queues whose devices refuse, lie, or do not answer: commands, and settings that are set again after a reset. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import type { ControlFaults } from "../../../kernel-shim/emulated-pc/net/control.js";
import type { NetDeviceOptions } from "../../../kernel-shim/emulated-pc/net/device.js";
import { describeViolation } from "../../../kernel-shim/emulated-pc/violations.js";
import { Event, Message, type NetDevice, ReceiveMode, Result } from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { macFromBytes } from "../../../kernel-shim/network/addresses.js";
import { CardGround, hasCode, type MachineOptions, onBothBuilds } from "./ground.js";

const CONTROL_QUEUE = 2;
/** How long a device may take to answer, and the turn of waiting in which that is found out. */
const ANSWER_MIN = 1e9;
const ANSWER_MAX = 2e9 + 40_000_000;

const OWN = "52:54:00:12:34:56";
const NEW = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3);
const GROUP = Uint8Array.of(1, 0, 0x5e, 0, 0, 0xfb);

/** Each command, as class and number, and a call that gives it. */
const commands: readonly { name: string; id: [number, number]; give: (card: NetDevice) => void }[] = [
  { name: "a receive mode", id: [0, 0], give: (card) => card.setReceiveMode(ReceiveMode.PROMISC, false) },
  { name: "a further receive mode", id: [0, 5], give: (card) => card.setReceiveMode(ReceiveMode.NOBCAST, true) },
  { name: "an address table", id: [1, 0], give: (card) => card.setMacTable([NEW], [GROUP]) },
  { name: "an address", id: [1, 1], give: (card) => card.setMac(NEW) },
  { name: "a VLAN", id: [2, 0], give: (card) => card.addVlan(3) },
  { name: "the end of a VLAN", id: [2, 1], give: (card) => card.removeVlan(3) },
  { name: "an acknowledgement", id: [3, 0], give: (card) => card.acknowledgeAnnouncement() },
];

/** A card whose control queue a case can make misbehave. */
class ControlGround extends CardGround {
  readonly controlFaults: ControlFaults;

  constructor(build: Build, options: MachineOptions = {}, net: Partial<NetDeviceOptions> = {}) {
    const controlFaults: ControlFaults = {};
    super(build, { controlFaults, ...net }, options);
    this.controlFaults = controlFaults;
  }

  /** The device answers commands so, or those of one kind. */
  answers(answer: number | null | undefined, id?: readonly [number, number]): void {
    this.controlFaults.answer =
      answer === undefined
        ? undefined
        : (commandClass, command) =>
            id === undefined || (id[0] === commandClass && id[1] === command) ? answer : undefined;
  }

  override behave(): void {
    super.behave();
    this.answers(undefined);
  }

  /** What the device has of the settings. */
  get settings(): { mac: string; modes: string[]; table: number; vlans: number[] } {
    const { mac, filters } = this.device;
    assert.ok(filters.vlans !== "all");
    return { mac, modes: [...filters.modes].sort(), table: filters.table.size, vlans: [...filters.vlans] };
  }

  /** Everything but promiscuous, which is how tests of traffic need it. */
  setAll(): void {
    this.card.setMac(NEW);
    this.card.setMacTable([NEW], [GROUP]);
    this.card.addVlan(3);
    this.card.setReceiveMode(ReceiveMode.ALLMULTI, true);
  }
}

const ALL_SET = { mac: macFromBytes(NEW), modes: ["allmulti", "promisc"], table: 2, vlans: [3] };
const NONE_SET = { mac: OWN, modes: ["promisc"], table: 0, vlans: [] };

for (const { name, id, give } of commands) {
  describe(name, () => {
    onBothBuilds("that is refused changes nothing, then or after a reset", (build) => {
      const ground = new ControlGround(build);
      const { card } = ground;
      ground.answers(1, id);
      assert.throws(() => give(card), hasCode(Result.E_REFUSED));
      ground.answers(undefined);
      assert.deepEqual(ground.settings, NONE_SET);
      card.reset();
      assert.deepEqual(ground.settings, NONE_SET);
      assert.equal(macFromBytes(card.mac()), OWN);
      ground.works();
      ground.recovers();
    });

    onBothBuilds("that is answered with a number which means nothing", (build) => {
      for (const answer of [2, 0x7f, 0x80, 0xff]) {
        const ground = new ControlGround(build);
        const { card } = ground;
        ground.answers(answer, id);
        assert.throws(() => give(card), hasCode(Result.E_DEVICE_STATUS));
        ground.works();
        card.reset();
        assert.deepEqual(ground.settings, NONE_SET);
        ground.recovers();
      }
    });

    onBothBuilds("that is not answered breaks the card, after a second and within two", (build) => {
      const ground = new ControlGround(build);
      const { card } = ground;
      ground.answers(null, id);
      const start = ground.machine.pc.time.now;
      assert.throws(() => give(card), hasCode(Result.E_BROKEN));
      const end = ground.machine.pc.time.now;
      assert.ok(end - start >= ANSWER_MIN && end - start <= ANSWER_MAX, String(end - start));
      const { first, ...entry } = ground.machine.log.at(-1) ?? assert.fail("nothing was logged");
      assert.deepEqual({ ...entry, first }, { message: Message.TIMED_OUT, first: card.handle, second: CONTROL_QUEUE });
      const accesses = ground.machine.imports;
      assert.throws(() => give(card), hasCode(Result.E_BROKEN));
      assert.equal(ground.machine.imports, accesses, "a broken card is not asked again");
      ground.isBrokenWith(Message.TIMED_OUT);
    });

    onBothBuilds("to a card that was removed says that it is gone", (build) => {
      const ground = new ControlGround(build);
      const { card } = ground;
      ground.machine.pc.removeDevice(ground.device);
      assert.throws(() => give(card), hasCode(Result.E_GONE));
      assert.equal(card.events(), Event.GONE);
      assert.throws(() => give(card), hasCode(Result.E_GONE));
      assert.equal(card.close(), 0);
      ground.checkMemory();
    });
  });
}

describe("the end of a VLAN, once it was let in", () => {
  onBothBuilds("that is refused leaves it where it is, also after a reset", (build) => {
    const ground = new ControlGround(build);
    const { card } = ground;
    card.addVlan(3);
    ground.answers(1, [2, 1]);
    assert.throws(() => card.removeVlan(3), hasCode(Result.E_REFUSED));
    card.reset();
    assert.deepEqual(ground.settings.vlans, [3]);
    ground.answers(undefined);
    card.removeVlan(3);
    card.reset();
    assert.deepEqual(ground.settings.vlans, []);
    ground.recovers();
  });
});

describe("a command", () => {
  onBothBuilds("is answered whatever the device says of how much it wrote", (build) => {
    for (const length of [0, 2, 0xffff_ffff]) {
      const ground = new ControlGround(build);
      const { card } = ground;
      ground.device.faults.usedLength = (queue, value) => (queue === CONTROL_QUEUE ? length : value);
      ground.setAll();
      assert.deepEqual(ground.settings, ALL_SET);
      card.reset();
      assert.deepEqual(ground.settings, ALL_SET);
      ground.recovers();
    }
  });

  for (const [what, lie, message] of [
    ["of which the device says it was another chain", { usedId: () => 5 }, Message.BAD_USED_ID],
    ["of which the device says it was one that cannot be", { usedId: () => 0xffff_ffff }, Message.BAD_USED_ID],
    ["of which the device says it used it twice", { usedIndex: () => 2 }, Message.BAD_USED_INDEX],
    ["of which the device says it used it very often", { usedIndex: () => 0xffff }, Message.BAD_USED_INDEX],
  ] as const) {
    onBothBuilds(`${what} breaks the card`, (build) => {
      const ground = new ControlGround(build);
      const { card } = ground;
      const entries = Object.entries<() => number>(lie).map(
        ([field, value]) =>
          [field, (queue: number, right: number) => (queue === CONTROL_QUEUE ? value() : right)] as const,
      );
      Object.assign(ground.device.faults, Object.fromEntries(entries));
      const start = ground.machine.pc.time.now;
      assert.throws(() => card.addVlan(1), hasCode(Result.E_BROKEN));
      assert.ok(ground.machine.pc.time.now - start < ANSWER_MIN, "at once");
      ground.isBrokenWith(message);
    });
  }

  onBothBuilds("that is answered is waited for no longer", (build) => {
    const ground = new ControlGround(build);
    const { card } = ground;
    const start = ground.machine.pc.time.now;
    card.addVlan(1);
    assert.ok(ground.machine.pc.time.now - start < ANSWER_MIN / 10);
    ground.recovers();
  });

  onBothBuilds("that was used already cannot be used again by the next", (build) => {
    const ground = new ControlGround(build);
    const { card } = ground;
    card.addVlan(1);
    // The index stays where it is, whatever the device has done.
    ground.device.faults.usedIndex = (queue, right) => (queue === CONTROL_QUEUE ? 1 : right);
    assert.throws(() => card.addVlan(2), hasCode(Result.E_BROKEN));
    ground.isBrokenWith(Message.TIMED_OUT);
  });

  onBothBuilds("goes around a ring of any size", (build) => {
    for (const size of [2, 4, 8]) {
      const ground = new ControlGround(build, {}, { queueSizes: [256, 256, size] });
      const { card } = ground;
      for (let id = 0; id < 30; id++) {
        card.addVlan(id);
        card.setMacTable([NEW], [GROUP]);
      }
      assert.equal(ground.settings.vlans.length, 30);
      ground.recovers();
    }
  });
});

/** MAC, CTRL_VQ and what it commands, without ANY_LAYOUT. */
const COMMANDS = [5, 16, 17, 18, 19, 20, 21, 23].reduce((sum, bit) => sum + 2 ** bit, 0);

describe("a command to a device without ANY_LAYOUT", () => {
  onBothBuilds("has a descriptor for each of its parts [virtio-1.2 §5.1.6.6]", (build) => {
    const ground = new ControlGround(build, {}, { features: COMMANDS });
    ground.setAll();
    assert.deepEqual(ground.settings, ALL_SET);
    assert.deepEqual(ground.machine.pc.violations.map(describeViolation), []);
    ground.recovers();
  });
});

describe("an announcement", () => {
  onBothBuilds("that the device wants is an event, and acknowledged once", (build) => {
    const ground = new ControlGround(build);
    const { card } = ground;
    card.setReceiveMode(ReceiveMode.ALLMULTI, true);
    assert.equal(card.events(), 0);
    ground.device.requestAnnouncement();
    card.interrupt();
    assert.equal(card.events() & Event.ANNOUNCE, Event.ANNOUNCE);
    card.acknowledgeAnnouncement();
    assert.throws(() => card.acknowledgeAnnouncement(), hasCode(Result.E_REFUSED));
    assert.equal(card.events(), 0);
    ground.recovers();
  });
});

describe("without its feature", () => {
  const CTRL_MAC_ADDR = 2 ** 23;
  const FEATURES: readonly (readonly [number, (id: readonly [number, number]) => boolean])[] = [
    [2 ** 18, ([commandClass, command]) => commandClass < 2 && command === 0],
    [2 ** 20, ([commandClass, command]) => commandClass === 0 && command === 5],
    [2 ** 19, ([commandClass]) => commandClass === 2],
    [2 ** 21, ([commandClass]) => commandClass === 3],
    [2 ** 5 + CTRL_MAC_ADDR, ([commandClass, command]) => commandClass === 1 && command === 1],
  ];
  for (const { name, id, give } of commands) {
    onBothBuilds(`${name} is not possible, and the device hears nothing of it`, (build) => {
      const [feature] = FEATURES.find(([, belongs]) => belongs(id)) ?? assert.fail(name);
      const ground = new ControlGround(build, {}, { features: COMMANDS - feature });
      const { card } = ground;
      let asked = 0;
      ground.controlFaults.answer = () => {
        asked++;
        return 0;
      };
      assert.throws(() => give(card), hasCode(Result.E_UNSUPPORTED));
      assert.equal(asked, 0);
      ground.works();
    });
  }
});

describe("a control queue that was offered", () => {
  for (const size of [0, 1, 2, 3, 5]) {
    onBothBuilds(`and has ${size} entries is none: the card works, and takes no commands`, (build) => {
      const ground = new ControlGround(build, { profile: "virtualbox" });
      const NUM = 12;
      const SELECT = 14;
      let selected = 0;
      ground.device.faults.writeRegister = (offset, _, value) => {
        if (offset === SELECT) selected = value;
        return true;
      };
      ground.device.faults.readRegister = (offset, _, right) =>
        offset === NUM && selected === CONTROL_QUEUE ? size : right;
      const { card } = ground;
      assert.equal(card.deviceInformation().queue_count, 2);
      assert.throws(() => card.addVlan(1), hasCode(Result.E_UNSUPPORTED));
      assert.throws(() => card.setMacTable([], []), hasCode(Result.E_UNSUPPORTED));
      assert.throws(() => card.setReceiveMode(ReceiveMode.PROMISC, false), hasCode(Result.E_UNSUPPORTED));
      ground.works();
      card.reset();
      assert.throws(() => card.addVlan(1), hasCode(Result.E_UNSUPPORTED));
      ground.works();
      ground.recovers();
    });
  }

  onBothBuilds("and has another size after a reset leaves the card broken", (build) => {
    const ground = new ControlGround(build);
    const { card } = ground;
    const NUM = 12;
    ground.device.faults.readRegister = (offset, _, right) => (offset === NUM && right === 64 ? 0 : right);
    assert.throws(() => card.reset(), hasCode(Result.E_QUEUE_SIZE));
    assert.throws(() => card.addVlan(1), hasCode(Result.E_BROKEN));
    ground.recovers();
  });
});

describe("settings after a reset", () => {
  for (const { name, id } of commands.filter(({ id: [commandClass, command] }) => commandClass < 3 && command === 0)) {
    onBothBuilds(
      `of which the device refuses ${name}: an event says so, the others hold, and the next reset tries again`,
      (build) => {
        const ground = new ControlGround(build);
        const { card } = ground;
        ground.setAll();
        card.setReceiveMode(ReceiveMode.PROMISC, true);
        assert.deepEqual(ground.settings, ALL_SET);
        ground.answers(1, id);
        card.reset();
        assert.equal(card.events() & Event.SETTINGS, Event.SETTINGS);
        ground.answers(undefined);
        const differing = Object.entries(ground.settings).filter(
          ([field, value]) => JSON.stringify(value) !== JSON.stringify(ALL_SET[field as keyof typeof ALL_SET]),
        );
        assert.ok(differing.length <= 1, JSON.stringify(differing));
        card.reset();
        assert.deepEqual(ground.settings, ALL_SET);
        assert.equal(card.events() & Event.SETTINGS, 0);
        ground.works();
        ground.recovers();
      },
    );
  }

  onBothBuilds("that refuses the address: the card's own holds, and is what the card says it has", (build) => {
    const ground = new ControlGround(build);
    const { card } = ground;
    card.setMac(NEW);
    ground.answers(1, [1, 1]);
    card.reset();
    assert.equal(card.events() & Event.SETTINGS, Event.SETTINGS);
    assert.equal(macFromBytes(card.mac()), OWN);
    ground.answers(undefined);
    card.reset();
    assert.deepEqual(card.mac(), NEW);
    ground.recovers();
  });

  onBothBuilds(
    "that are not answered: the reset fails after two seconds at most, and the next one sets all",
    (build) => {
      const ground = new ControlGround(build);
      const { card } = ground;
      ground.setAll();
      let asked = 0;
      ground.controlFaults.answer = () => {
        asked++;
        return null;
      };
      const NOTIFY = 16;
      let notified = 0;
      ground.device.faults.writeRegister = (offset, _, value) => {
        if (offset === NOTIFY && value === CONTROL_QUEUE) notified++;
        return true;
      };
      const start = ground.machine.pc.time.now;
      assert.throws(() => card.reset(), hasCode(Result.E_BROKEN));
      assert.deepEqual({ asked, notified }, { asked: 1, notified: 1 }, "a card that does not answer is asked no more");
      assert.ok(ground.machine.pc.time.now - start <= ANSWER_MAX + ANSWER_MIN);
      assert.equal(card.events() & Event.SETTINGS, 0);
      assert.throws(() => card.receive(), hasCode(Result.E_BROKEN));
      ground.answers(undefined);
      card.reset();
      assert.deepEqual(ground.settings, ALL_SET);
      ground.works();
      ground.recovers();
    },
  );

  onBothBuilds("that are not answered when the card is resumed: it is broken, and a reset sets all", (build) => {
    const ground = new ControlGround(build);
    const { card } = ground;
    ground.setAll();
    assert.equal(card.suspend(), 0);
    ground.answers(null);
    assert.throws(() => card.resume(), hasCode(Result.E_BROKEN));
    ground.answers(undefined);
    card.reset();
    assert.deepEqual(ground.settings, ALL_SET);
    ground.works();
    ground.recovers();
  });
});

describe("an address that is written into the configuration", () => {
  const CONFIG = 20;

  function legacyGround(build: Build): { ground: CardGround; card: NetDevice } {
    const ground = new CardGround(build, { features: 2 ** 5 });
    return { ground, card: ground.card };
  }

  onBothBuilds("is the card's", (build) => {
    const { ground, card } = legacyGround(build);
    card.setMac(NEW);
    assert.equal(ground.device.mac, macFromBytes(NEW));
    card.reset();
    assert.equal(ground.device.mac, macFromBytes(NEW));
    assert.equal(macFromBytes(card.mac()), macFromBytes(NEW));
    ground.works();
    ground.recovers();
  });

  onBothBuilds("and does not stay there is refused", (build) => {
    const { ground, card } = legacyGround(build);
    ground.device.faults.writeRegister = (offset) => offset !== CONFIG + 5;
    assert.throws(() => card.setMac(NEW), hasCode(Result.E_REFUSED));
    assert.equal(macFromBytes(card.mac()), OWN);
    ground.works();
    ground.recovers();
  });

  onBothBuilds("and never reads the same twice is refused", (build) => {
    const { ground, card } = legacyGround(build);
    let reading = 0;
    ground.device.faults.readRegister = (offset, _, right) => (offset === CONFIG ? (reading++ & 0x3f) << 2 : right);
    assert.throws(() => card.setMac(NEW), hasCode(Result.E_REFUSED));
    ground.works();
    ground.recovers();
  });
});
