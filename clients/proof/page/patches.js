// What is wrong with this browser, by the words in the page's address, before any other code runs.
(() => {
  const asked = new URLSearchParams(location.search);

  const denied = (what) => () => {
    throw new DOMException(`${what} is denied`, 'SecurityError');
  };
  if (asked.get('storage') === 'blocked') {
    for (const what of ['localStorage', 'sessionStorage', 'indexedDB']) {
      Object.defineProperty(window, what, { get: denied(what), configurable: true });
    }
  }
  if (asked.get('storage') === 'full') {
    Storage.prototype.setItem = () => {
      throw new DOMException('no room is left', 'QuotaExceededError');
    };
  }
  if (asked.get('channel') === 'none') delete window.BroadcastChannel;

  const clock = Number(asked.get('clock') ?? 0);
  if (clock) {
    const RightDate = Date;
    window.Date = class extends RightDate {
      constructor(...given) {
        if (given.length === 0) super(RightDate.now() + clock);
        else super(...given);
      }

      static now() {
        return RightDate.now() + clock;
      }
    };
  }
})();
