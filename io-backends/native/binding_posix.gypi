{
  "variables": {
    "posix_sources": [
      "../../host/posix/native/fd.c",
      "../../host/posix/native/errors.c",
      "../../host/posix/native/guardian.c",
      "../../host/posix/native/message.c",
      "../../host/posix/native/notify.c",
      "../../host/posix/native/register.c",
      "../../host/posix/native/task.c",
      "../../host/posix/native/written.c"
    ]
  },
  "targets": [
    {
      "target_name": "nuse-exec",
      "type": "executable",
      "sources": ["../../host/posix/native/nuse-exec.c", "../../host/posix/native/filter.c", "../../host/posix/native/shadow.c"]
    }
  ]
}
