// A function run in a task of its own: after what the event loop has waiting, and without the 4 ms that nested timers wait in
// browsers. Nothing of it is left after close(). Browser-safe.

export class Task {
  private channel?: MessageChannel;

  constructor(private readonly run: () => void) {}

  /** Run it soon, once for each call. */
  post(): void {
    if (typeof setImmediate === 'function') {
      setImmediate(this.run);
      return;
    }
    if (!this.channel) {
      this.channel = new MessageChannel();
      this.channel.port1.onmessage = this.run;
    }
    this.channel.port2.postMessage(0);
  }

  /** Forget what was posted, too, where there is a channel. */
  close(): void {
    this.channel?.port1.close();
    this.channel = undefined;
  }
}
