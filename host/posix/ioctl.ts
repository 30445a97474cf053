// Socket ioctls: the range 0x89xx of any socket (programs ask unix sockets about interfaces too), FIONREAD and SIOCOUTQ.
import { ARG, DATA, DATA_SIZE } from '../abi/constants.js';
import { SCRATCH, type Call } from './call.js';
import { EFAULT, EINVAL, EOPNOTSUPP, FIONREAD, SIOCATMARK, SIOCGIFCONF, SIOCOUTQ, SOCK_STREAM } from './linux.js';
import type { PosixSocket } from './socket.js';
import type { Supervisor } from './supervisor.js';

/** sizeof(struct ifreq); other argument structures are shorter. */
const ARGUMENT = 40;
const SIOCOUTQNSD = 0x894b;
/** FIOSETOWN, SIOCSPGRP, FIOGETOWN, SIOCGPGRP: who gets SIGIO and SIGURG, which the descriptor itself knows. */
const OWNER_FIRST = 0x8901, OWNER_LAST = 0x8904;
/** The stack's interfaces have no driver to ask. */
const SIOCETHTOOL = 0x8946;
/** Interfaces and addresses: the same for every socket. */
const INTERFACE_FIRST = 0x8910, INTERFACE_LAST = 0x8957;

/** SIOCGIFCONF: struct ifconf { int len; char *buf }; the list follows the structure. */
function interfaces(sup: Supervisor, handle: number, call: Call): number {
  const { mem, core } = sup;
  const at = call.long(2);
  if (call.read(at, mem.u8, DATA, 16) < 0) return -EFAULT;
  const room = mem.view.getInt32(DATA, true);
  const buffer = mem.view.getUint32(DATA + 8, true) + mem.view.getUint32(DATA + 12, true) * 4294967296;
  if (room < 0) return -EINVAL;
  mem.view.setInt32(DATA, Math.min(room, DATA_SIZE - ARGUMENT), true);
  // A null buffer asks for the length only; any other is the copy behind the structure.
  mem.view.setUint32(DATA + 8, buffer ? DATA + 16 : 0, true);
  mem.view.setUint32(DATA + 12, 0, true);
  const r = core.sys_ioctl(handle, SIOCGIFCONF, DATA);
  if (r < 0) return r;
  const length = mem.view.getInt32(DATA, true);
  if (buffer && call.write(buffer, mem.u8, DATA + 16, Math.min(length, room)) < 0) return -EFAULT;
  new DataView(SCRATCH.buffer).setInt32(0, length, true);
  return call.write(at, SCRATCH, 0, 4) < 0 ? -EFAULT : r;
}

function argument(sup: Supervisor, handle: number, call: Call, command: number): number {
  const { mem, core } = sup;
  const at = call.long(2);
  // Structures shorter than ifreq may end at the end of a mapping: take what is there.
  mem.u8.fill(0, ARG, ARG + ARGUMENT);
  let size = ARGUMENT;
  while (size > 4 && call.read(at, mem.u8, ARG, size) < 0) size >>= 1;
  if (size <= 4 && call.read(at, mem.u8, ARG, size) < 0) return -EFAULT;
  const before = mem.u8.slice(ARG, ARG + size);
  const r = core.sys_ioctl(handle, command, ARG);
  if (r < 0) return r;
  // Store what changed and nothing beyond it: the structure may be smaller than what was read.
  let end = size;
  while (end > 0 && mem.u8[ARG + end - 1] === before[end - 1]) end--;
  if (end > 0 && call.write(at, mem.u8, ARG, end) < 0) return -EFAULT;
  return r;
}

/** An ioctl of one of our sockets. */
export function socketIoctl(s: PosixSocket, call: Call): void {
  const command = call.uint(1);
  if ((command === SIOCATMARK && s.type === SOCK_STREAM) || (command >= OWNER_FIRST && command <= OWNER_LAST)) {
    call.pass();
  } else if (command === FIONREAD || command === SIOCOUTQ || command === SIOCOUTQNSD) {
    const value = s.queued(call, command);
    new DataView(SCRATCH.buffer).setInt32(0, value, true);
    call.answer(value < 0 ? value : call.write(call.long(2), SCRATCH, 0, 4) < 0 ? -EFAULT : 0);
  } else if (command === SIOCETHTOOL) {
    call.answer(-EOPNOTSUPP);
  } else if (command === SIOCGIFCONF) {
    call.answer(interfaces(s.sup, s.handle, call));
  } else {
    call.answer(argument(s.sup, s.handle, call, command));
  }
}

/** An ioctl of a descriptor that is not ours: about interfaces when it is a socket, else the kernel's. */
export function foreignIoctl(sup: Supervisor, call: Call, isSocket: boolean): void {
  const command = call.uint(1);
  if (!isSocket || command < INTERFACE_FIRST || command > INTERFACE_LAST) {
    call.pass();
    return;
  }
  if (command === SIOCETHTOOL) {
    call.answer(-EOPNOTSUPP);
    return;
  }
  const handle = sup.controlSocket();
  if (handle < 0) call.answer(handle);
  else call.answer(command === SIOCGIFCONF ? interfaces(sup, handle, call) : argument(sup, handle, call, command));
}
