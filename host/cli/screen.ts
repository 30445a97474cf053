// A terminal taken for a full-screen view: alternate screen, no cursor, keys as they are pressed. Given back at the end, however that comes.
import { signalCode } from './signals.js';

const ENTER = '\x1b[?1049h\x1b[?25l', LEAVE = '\x1b[?25h\x1b[?1049l', HOME = '\x1b[H', CLEAR_LINE = '\x1b[K', CLEAR_REST = '\x1b[J';
/** After a request to stop, ms. */
const AGAIN_MS = 20;
const CTRL_C = '\x03', CTRL_Z = '\x1a';

export class Screen {
  private on = false;
  private closed = false;
  private lines: readonly string[] = [];
  private readonly undo: (() => void)[] = [];

  /** `key`: what was pressed; Ctrl-C, and whatever else would end the process, is `end`. */
  constructor(private readonly key: (key: string) => void, private readonly end: (code: number) => void) {
    this.listen(process.stdout, 'resize', () => this.draw(this.lines));
    // Written to a closed terminal: the end, too.
    this.listen(process.stdout, 'error', () => end(0));
    if (process.stdin.isTTY) this.listen(process.stdin, 'data', (data) => this.pressed(String(data)));
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) this.listen(process, signal, () => end(signalCode(signal)));
    this.listen(process, 'SIGCONT', () => this.enter());
    // What nobody has caught still leaves a terminal that can be used.
    this.listen(process, 'exit', () => this.leave());
    this.enter();
  }

  /** Show these lines, as far as there is room. */
  draw(lines: readonly string[]): void {
    this.lines = lines;
    if (!this.on) return;
    const { columns = 80, rows = 24 } = process.stdout;
    const shown = lines.slice(0, rows).map((l) => l.slice(0, columns) + CLEAR_LINE);
    process.stdout.write(HOME + shown.join('\r\n') + CLEAR_REST);
  }
  close(): void {
    this.closed = true;
    this.leave();
    for (const undo of this.undo) undo();
    process.stdin.pause();
  }

  private listen(emitter: NodeJS.EventEmitter, event: string, fn: (...args: unknown[]) => void): void {
    emitter.on(event, fn);
    this.undo.push(() => emitter.removeListener(event, fn));
  }
  private enter(): void {
    if (this.closed) return;
    this.on = true;
    if (process.stdin.isTTY) process.stdin.setRawMode(true).resume();
    process.stdout.write(ENTER);
    this.draw(this.lines);
  }
  private leave(): void {
    if (!this.on) return;
    this.on = false;
    process.stdout.write(LEAVE);
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
  }
  private pressed(data: string): void {
    if (data.includes(CTRL_C)) this.end(signalCode('SIGINT'));
    else if (data === CTRL_Z) {
      this.leave();
      process.kill(process.pid, 'SIGTSTP');
      // It goes on from here; at once where no shell could continue it, and the kernel does not stop it.
      setTimeout(() => this.enter(), AGAIN_MS);
    } else this.key(data);
  }
}
