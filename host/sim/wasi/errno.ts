// Error numbers of WASI preview1, by those of Linux.
import { ErrnoName } from '../../abi/constants.js';

/** Names in preview1's order, which is their number. */
const NAMES = [
  '', 'E2BIG', 'EACCES', 'EADDRINUSE', 'EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EAGAIN', 'EALREADY', 'EBADF', 'EBADMSG', 'EBUSY', 'ECANCELED', 'ECHILD', 'ECONNABORTED',
  'ECONNREFUSED', 'ECONNRESET', 'EDEADLK', 'EDESTADDRREQ', 'EDOM', 'EDQUOT', 'EEXIST', 'EFAULT', 'EFBIG', 'EHOSTUNREACH', 'EIDRM', 'EILSEQ', 'EINPROGRESS', 'EINTR',
  'EINVAL', 'EIO', 'EISCONN', 'EISDIR', 'ELOOP', 'EMFILE', 'EMLINK', 'EMSGSIZE', 'EMULTIHOP', 'ENAMETOOLONG', 'ENETDOWN', 'ENETRESET', 'ENETUNREACH', 'ENFILE', 'ENOBUFS',
  'ENODEV', 'ENOENT', 'ENOEXEC', 'ENOLCK', 'ENOLINK', 'ENOMEM', 'ENOMSG', 'ENOPROTOOPT', 'ENOSPC', 'ENOSYS', 'ENOTCONN', 'ENOTDIR', 'ENOTEMPTY', 'ENOTRECOVERABLE',
  'ENOTSOCK', 'EOPNOTSUPP', 'ENOTTY', 'ENXIO', 'EOVERFLOW', 'EOWNERDEAD', 'EPERM', 'EPIPE', 'EPROTO', 'EPROTONOSUPPORT', 'EPROTOTYPE', 'ERANGE', 'EROFS', 'ESPIPE',
  'ESRCH', 'ESTALE', 'ETIMEDOUT', 'ETXTBSY', 'EXDEV', 'ENOTCAPABLE',
];
const NUMBERS = new Map(NAMES.map((name, i) => [name, i]));
/** Of Linux only. */
const NEAREST: Readonly<Record<string, string>> = { ESHUTDOWN: 'EPIPE', EHOSTDOWN: 'EHOSTUNREACH', ESOCKTNOSUPPORT: 'EPROTONOSUPPORT', EPFNOSUPPORT: 'EAFNOSUPPORT', ENODATA: 'EAGAIN' };

/** WASI's number for a Linux errno > 0; EIO for one that it has no name for. */
export function wasiErrno(linux: number): number {
  const name = ErrnoName[linux] ?? LINUX_ONLY[linux] ?? 'EIO';
  return NUMBERS.get(NEAREST[name] ?? name) ?? NUMBERS.get('EIO')!;
}

/** Linux's numbers of what a process knows and the core does not. */
export const ESPIPE = 29, ENOSPC = 28;
const LINUX_ONLY: Readonly<Record<number, string>> = { [ESPIPE]: 'ESPIPE', [ENOSPC]: 'ENOSPC' };
