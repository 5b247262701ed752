@main
struct MoEWorker {
  static func main() {}
}
