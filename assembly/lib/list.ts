// Intrusive circular doubly linked lists. Embed a node as two words (`xNext: usize; xPrev: usize`) and
// reach it through `offsetof`; a list head is a node of its own. Builds with assertions check both neighbours, so that a
// node freed while linked is found by the next one who touches the list.

@unmanaged @final export class ListNode {
  next: ListNode;
  prev: ListNode;

  @inline init(): void {
    this.next = this;
    this.prev = this;
  }
  @inline get empty(): bool { return this.next === this; }
  /** Is this node on a list? False after init or unlink, and for a zeroed node. */
  @inline get linked(): bool { return changetype<usize>(this.next) != 0 && this.next !== this; }
  @inline insertBefore(pos: ListNode): void {
    assert(pos.prev.next === pos, "list: corrupt");
    this.next = pos;
    this.prev = pos.prev;
    pos.prev.next = this;
    pos.prev = this;
  }
  @inline unlink(): void {
    assert(this.next.prev === this && this.prev.next === this, "list: corrupt");
    this.next.prev = this.prev;
    this.prev.next = this.next;
    this.init();
  }
}
