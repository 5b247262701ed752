import Communication
import Tensors
import Topology

/// What every transport promises about single messages.
package let messageCases: [RankCase] = [
  RankCase("communication: messages of one tag arrive in order") { context in
    let world = context.world
    let count = 40
    var requests: [Request] = []
    var received: [Buffer<Int64>] = []
    for peer in world.peers {
      for number in 0..<count {
        let room = Buffer<Int64>(count: 1 + number)
        received.append(room)
        requests.append(try world.startReceive(into: room, from: peer, tag: Tag(Int32(number % 3))))
      }
    }
    for peer in world.peers {
      for number in 0..<count {
        let message = Buffer<Int64>(count: 1 + number)
        message.fill(Int64(world.rank.index * 1_000 + number))
        requests.append(try world.startSend(message, to: peer, tag: Tag(Int32(number % 3))))
      }
    }
    try world.wait(for: requests, what: "numbered messages")
    for (place, peer) in world.peers.enumerated() {
      for number in 0..<count {
        let expected = [Int64](repeating: Int64(peer.index * 1_000 + number), count: 1 + number)
        context.expectEqual(received[place * count + number].elements, expected, "message \(number) of \(peer)")
      }
    }
  },

  RankCase("communication: empty messages arrive and are counted") { context in
    let world = context.world
    let before = world.traffic
    let nothing = Buffer<Float>(count: 0)
    var requests: [Request] = []
    for peer in world.peers { requests.append(try world.startReceive(into: nothing, from: peer, tag: Tag(7))) }
    for peer in world.peers { requests.append(try world.startSend(nothing, to: peer, tag: Tag(7))) }
    try world.wait(for: requests, what: "empty messages")
    context.expect(requests.allSatisfy { $0.isDone && $0.receivedByteCount == 0 })
    let traffic = world.traffic.since(before)
    context.expectEqual([traffic.sentMessageCount, traffic.receivedMessageCount], [world.size - 1, world.size - 1])
    context.expectEqual([traffic.sentByteCount, traffic.receivedByteCount], [0, 0])
  },

  RankCase("communication: messages of 64 MB arrive whole") { context in
    let world = context.world
    let next = Rank((world.rank.index + 1) % world.size)
    let previous = Rank((world.rank.index + world.size - 1) % world.size)
    let message = Buffer<Int32>(count: 16 << 20)
    let room = Buffer<Int32>(count: 16 << 20)
    for index in 0..<message.count {
      message.pointer[index] = Int32(truncatingIfNeeded: index &* 31 &+ world.rank.index)
    }
    let requests = [
      try world.startReceive(into: room, from: previous, tag: Tag(1)),
      try world.startSend(message, to: next, tag: Tag(1)),
    ]
    try world.wait(for: requests, what: "a large message")
    let wrong = (0..<room.count).first {
      room.pointer[$0] != Int32(truncatingIfNeeded: $0 &* 31 &+ previous.index)
    }
    context.expectEqual(wrong, nil, "the first wrong element")
    context.expectEqual(requests[0].receivedByteCount, 64 << 20)
  },

  RankCase("communication: a message may be shorter than the room for it") { context in
    let world = context.world
    let before = world.traffic
    var requests: [Request] = []
    let rooms = world.ranks.map { _ in Buffer<Int64>([Int64](repeating: -1, count: 100)) }
    for peer in world.peers {
      requests.append(try world.startReceive(into: rooms[peer.index], from: peer, tag: Tag(0)))
    }
    let message = Buffer<Int64>((0..<world.rank.index * 3).map { Int64($0) })
    for peer in world.peers { requests.append(try world.startSend(message, to: peer, tag: Tag(0))) }
    try world.wait(for: requests, what: "messages of unequal size")
    let traffic = world.traffic.since(before)
    context.expectEqual(traffic.sentByteCount, (world.size - 1) * message.byteCount)
    context.expectEqual(traffic.receivedByteCount, world.peers.reduce(0) { $0 + $1.index * 24 })
    for (request, peer) in zip(requests, world.peers) {
      let count = peer.index * 3
      context.expectEqual(request.receivedByteCount, count * 8)
      let expected = (0..<count).map { Int64($0) } + [Int64](repeating: -1, count: 100 - count)
      context.expectEqual(rooms[peer.index].elements, expected)
    }
  },

  RankCase("communication: a rank can send to itself") { context in
    let world = context.world
    let message = Buffer<Double>((0..<100_000).map { Double($0) })
    let room = Buffer<Double>(count: message.count)
    let requests = [
      try world.startSend(message, to: world.rank, tag: Tag(3)),
      try world.startReceive(into: room, from: world.rank, tag: Tag(3)),
    ]
    try world.wait(for: requests, what: "a message to itself")
    context.expectEqual(room.elements, message.elements)
  },

  RankCase("communication: more requests than one poke looks at all complete") { context in
    let world = context.world
    let count = 500
    let received = Buffer<Int32>(count: count * world.size)
    let sent = Buffer<Int32>((0..<Int32(count)).map { $0 })
    var requests: [Request] = []
    for number in 0..<count {
      for peer in world.peers {
        let place = peer.index * count + number
        requests.append(
          try world.startReceive(into: received[place..<place + 1], from: peer, tag: Tag(Int32(number))))
      }
    }
    for number in (0..<count).reversed() {
      for peer in world.peers {
        requests.append(try world.startSend(sent[number..<number + 1], to: peer, tag: Tag(Int32(number))))
      }
    }
    try world.wait(for: requests, what: "many messages")
    for peer in world.peers {
      context.expectEqual(received[peer.index * count..<(peer.index + 1) * count].elements, sent.elements)
    }
  },
]
