{
  "includes": ["binding_posix.gypi"],
  "target_defaults": {
    "cflags": ["-O2", "-Wall", "-Wextra", "-fvisibility=hidden"],
    "defines": ["_GNU_SOURCE", "NAPI_VERSION=8"]
  },
  "targets": [
    {
      "target_name": "nuse",
      "include_dirs": ["."],
      "sources": [
<<<<<<< HEAD
        "addon.c", "wait.c", "vif.c",
        "../tap/tap.c", "../raw/raw.c", "../pipe/pipe.c", "../pipe/fifo.c", "../user/user.c",
=======
        "addon.c", "wait.c", "vif.c", "record.c",
        "../tap/tap.c", "../raw/raw.c", "../pipe/pipe.c", "../pipe/fifo.c",
>>>>>>> f6ceff6 (nuse record and nuse replay: a live run's inputs in a file; curl and iperf3 replayed in Node and Chromium to one hash)
        "<@(posix_sources)"
      ]
    }
  ]
}
