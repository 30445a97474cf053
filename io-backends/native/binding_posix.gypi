{
  "variables": {
    "posix_sources": []
  }
}
