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
        "addon.c", "wait.c", "vif.c", "uso.c", "record.c",
        "../tap/tap.c", "../raw/raw.c", "../pipe/pipe.c", "../pipe/fifo.c", "../user/user.c", "../xdp/xdp.c", "../xdp/program.c", "../steer/steer.c",
        "<@(posix_sources)"
      ]
    }
  ]
}
