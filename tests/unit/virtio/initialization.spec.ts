/** The steps from a device that somebody left behind to one that runs, and to one that is gone. */
import { Message, Result, Transport } from "../../../assembly/abi/results";
import { DeviceState, nothingTaken, runningResult } from "../../../assembly/virtio/device";
import { fail, failOpening, shutDown } from "../../../assembly/virtio/ending";
import { negotiate, run, start } from "../../../assembly/virtio/initialization";
import {
  ADDRESS,
  bareDevice,
  command,
  commandWritten,
  GUEST_FEATURES,
  HOST_FEATURES,
  logged,
  newMachine,
  pciName,
  plugIn,
  STATUS,
  writesTo,
  writeTo,
} from "../scripted/plug";
import { pci_set } from "../pci/machine";
import {
  clock_set,
  device_accepted,
  device_gone,
  device_reset_polls,
  device_status,
  device_status_bits,
  Trace,
  trace_clear,
  trace_count,
  trace_find,
} from "../scripted/script";

const NEVER: u32 = 0x7fff_ffff;
const BUS_MASTER: u32 = 4;
const INTERRUPT_DISABLE: u32 = 0x400;

let name: u32 = 0;

beforeEach(() => {
  newMachine();
  name = plugIn(2, 0x0000_00ff);
  pci_set(pciName, 4, 1);
});

describe("start", () => {
  it("resets, then acknowledges, then says that there is a driver, then reads the features", () => {
    const device = bareDevice(2);
    device_status_bits(name, 0xff, 0);
    expect(start(device)).toBe(Result.OK);
    expect(writesTo(STATUS).join()).toBe("0,1,3");
    expect(device.featuresOffered).toBe(0xff);
    expect(trace_find(Trace.IN, HOST_FEATURES, 0)).toBeGreaterThan(writeTo(STATUS, 2));
  });

  it("lets the device reach memory only when it has been reset", () => {
    start(bareDevice(2));
    const master = commandWritten(BUS_MASTER, true);
    expect(master).toBeGreaterThan(trace_find(Trace.IN, STATUS, 0));
    expect(trace_find(Trace.IN, STATUS, 0)).toBeGreaterThan(writeTo(STATUS, 0));
    expect(command()).toBe(1 | BUS_MASTER);
  });

  it("gives up on a device that does not reset, and lets it reach nothing", () => {
    device_reset_polls(name, NEVER);
    clock_set(0, 100_000_000);
    expect(start(bareDevice(2))).toBe(Result.E_RESET_TIMEOUT);
    expect(writesTo(STATUS).join()).toBe("0");
    expect(command()).toBe(1);
  });

  it("gives up when the clock stands still, too", () => {
    device_reset_polls(name, NEVER);
    expect(start(bareDevice(2))).toBe(Result.E_RESET_TIMEOUT);
  });
});

describe("negotiate", () => {
  it("accepts what is offered and known, and nothing else", () => {
    const device = bareDevice(2);
    start(device);
    expect(negotiate(device, 0x01, 0xff0e)).toBe(Result.OK);
    expect(device.featuresAccepted).toBe(0x0f);
    expect(device_accepted(name)).toBe(0x0f);
    expect(writesTo(STATUS).join()).toBe("0,1,3,11");
    expect(writeTo(STATUS, 3)).toBeGreaterThan(writeTo(GUEST_FEATURES, 0));
  });

  it("works with the minimal features alone", () => {
    const device = bareDevice(2);
    start(device);
    expect(negotiate(device, 0, 0)).toBe(Result.OK);
    expect(device_accepted(name)).toBe(0);
    expect(writesTo(GUEST_FEATURES).length).toBe(1);
  });

  it("does not go on without a minimal feature", () => {
    const device = bareDevice(2);
    start(device);
    expect(negotiate(device, 0x101, 0xff)).toBe(Result.E_FEATURES);
    expect(writesTo(GUEST_FEATURES).length).toBe(0);
    expect(writesTo(STATUS).join()).toBe("0,1,3");
  });

  it("does not mind a legacy device that does not know FEATURES_OK", () => {
    device_status_bits(name, 0xff - 8, 0);
    const device = bareDevice(2);
    start(device);
    expect(negotiate(device, 0, 0xff)).toBe(Result.OK);
    run(device);
    expect(writesTo(STATUS).join()).toBe("0,1,3,11,7");
  });

  it("takes FAILED or DEVICE_NEEDS_RESET for a refusal", () => {
    const device = bareDevice(2);
    start(device);
    device_status_bits(name, 0xff, 128);
    expect(negotiate(device, 0, 0xff)).toBe(Result.E_FEATURES);
    device_status_bits(name, 0xff, 0);
    start(device);
    device_status_bits(name, 0xff, 64);
    expect(negotiate(device, 0, 0xff)).toBe(Result.E_FEATURES);
  });

  it("notices that the device is gone", () => {
    const device = bareDevice(2);
    start(device);
    device_gone(name, 1);
    const result = negotiate(device, 0, 0xff);
    expect(result).not.toBe(Result.OK);
    expect(fail(device, result)).toBe(Result.E_GONE);
    expect(runningResult(device)).toBe(Result.E_GONE);
  });
});

describe("run", () => {
  it("adds DRIVER_OK last", () => {
    const device = bareDevice(2);
    device.state = DeviceState.BROKEN;
    start(device);
    negotiate(device, 0, 0xff);
    run(device);
    expect(writesTo(STATUS).join()).toBe("0,1,3,11,15");
    expect(runningResult(device)).toBe(Result.OK);
  });
});

describe("fail", () => {
  it("says so to the device and to the kernel, and takes the device's memory away", () => {
    const device = bareDevice(2);
    start(device);
    trace_clear();
    expect(fail(device, Result.E_QUEUE_SIZE)).toBe(Result.E_QUEUE_SIZE);
    expect(device_status(name)).toBe(128 | 3);
    expect(command()).toBe(1);
    expect(commandWritten(BUS_MASTER, false)).toBeGreaterThan(writeTo(STATUS, 0));
    expect(logged(Message.DEVICE_FAILED, ADDRESS, <u32>Result.E_QUEUE_SIZE)).toBe(true);
    expect(runningResult(device)).toBe(Result.E_BROKEN);
  });
});

describe("failOpening", () => {
  it("leaves the function as it was found, or silent when it did not reset", () => {
    pci_set(pciName, 4, 0);
    let device = bareDevice(2);
    start(device);
    expect(failOpening(device, Result.E_QUEUE_SIZE)).toBe(Result.E_QUEUE_SIZE);
    expect(command()).toBe(0);
    device = bareDevice(2);
    start(device);
    failOpening(device, Result.E_RESET_TIMEOUT);
    expect(command()).toBe(INTERRUPT_DISABLE);
  });

  it("leaves a function silent whose device is gone", () => {
    pci_set(pciName, 4, 0);
    const device = bareDevice(2);
    start(device);
    device_gone(name, 1);
    expect(failOpening(device, Result.E_FEATURES)).toBe(Result.E_GONE);
    expect(command()).toBe(INTERRUPT_DISABLE);
  });

  it("touches no register of a device that was not found", () => {
    const device = bareDevice(2);
    device.transport = Transport.NONE;
    expect(failOpening(device, Result.E_NOT_FOUND)).toBe(Result.E_NOT_FOUND);
    expect(trace_count(Trace.OUT)).toBe(0);
    expect(trace_count(Trace.IN)).toBe(0);
  });
});

describe("shutDown", () => {
  it("waits for nobody when the device is gone, and does not touch what is known to be", () => {
    const device = bareDevice(2);
    start(device);
    device_gone(name, 1);
    trace_clear();
    shutDown(device);
    expect(trace_count(Trace.RELAX)).toBe(0);
    expect(trace_count(Trace.IN)).toBe(1);
    device.state = DeviceState.GONE;
    trace_clear();
    shutDown(device);
    expect(trace_count(Trace.IN) + trace_count(Trace.OUT)).toBe(0);
    expect(runningResult(device)).toBe(Result.E_HANDLE);
  });

  it("resets the device before it loses its memory", () => {
    const device = bareDevice(2);
    start(device);
    trace_clear();
    shutDown(device);
    expect(writesTo(STATUS).join()).toBe("0");
    expect(commandWritten(BUS_MASTER, false)).toBeGreaterThan(trace_find(Trace.IN, STATUS, 0));
    expect(command()).toBe(1);
    expect(runningResult(device)).toBe(Result.E_HANDLE);
  });

  it("takes the memory of a device that does not listen any more", () => {
    const device = bareDevice(2);
    start(device);
    device_reset_polls(name, NEVER);
    clock_set(0, 100_000_000);
    shutDown(device);
    expect(command()).toBe(1 | INTERRUPT_DISABLE);
    expect(logged(Message.DEVICE_STUCK, ADDRESS, 0x0f)).toBe(true);
  });
});

describe("runningResult", () => {
  it("has a code for every state", () => {
    const device = bareDevice(2);
    expect(runningResult(null)).toBe(Result.E_HANDLE);
    device.state = DeviceState.RUNNING;
    expect(runningResult(device)).toBe(Result.OK);
    device.state = DeviceState.BROKEN;
    expect(runningResult(device)).toBe(Result.E_BROKEN);
    device.state = DeviceState.GONE;
    expect(runningResult(device)).toBe(Result.E_GONE);
    expect(nothingTaken(device)).toBe(Result.E_GONE);
    device.state = DeviceState.CLOSING;
    expect(runningResult(device)).toBe(Result.E_HANDLE);
    expect(nothingTaken(device)).toBe(0);
  });
});
