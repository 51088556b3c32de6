using System.Buffers.Binary;
using Vireo.Core.Transports.Ccw;

namespace Vireo.Tests.Core.Transports.Ccw;

/// <summary>Reaches a channel device in this process, and remembers every command of a driver.</summary>
internal sealed class WatchedChannel(ChannelMachine machine) : ICcwAccess
{
    private const int SetRevision = 0x83;

    /// <summary>The length of the data of each command that has only one; 0xe4 is SENSE ID.</summary>
    private static readonly Dictionary<int, int> Lengths = new()
    {
        [0x11] = 5,
        [0x12] = 5,
        [0x13] = 32,
        [0x31] = 1,
        [0x32] = 4,
        [0x33] = 0,
        [0x43] = 8,
        [0x53] = 8,
        [0x72] = 1,
        [0x73] = 25,
        [SetRevision] = 4,
        [0xe4] = 7,
    };

    /// <summary>Revisions above this one are rejected, as by an older device.</summary>
    public int RevisionMax { get; init; } = int.MaxValue;

    /// <summary>A status that is rejected, as by a device that does not like the features.</summary>
    public byte? RejectedStatus { get; set; }

    /// <summary>What is written over the answer to SENSE ID, from its first byte.</summary>
    public byte[] Identity { get; init; } = [];

    public List<int> Commands { get; } = [];

    public List<int> Revisions { get; } = [];

    /// <summary>The cookies the driver passed, and those it was given.</summary>
    public List<(ulong Passed, ulong Given)> Cookies { get; } = [];

    public ChannelResult Start(ChannelRequest request)
    {
        byte[] word = machine.Get(request.ProgramAddress, 8);
        int command = word[0];
        int length = BinaryPrimitives.ReadUInt16BigEndian(word.AsSpan(2));
        uint data = BinaryPrimitives.ReadUInt32BigEndian(word.AsSpan(4));
        Commands.Add(command);
        if (Lengths.TryGetValue(command, out int expected))
        {
            Assert.Equal(expected, length);
        }

        if (command == SetRevision)
        {
            int revision = BinaryPrimitives.ReadUInt16BigEndian(machine.Get(data, 2));
            Revisions.Add(revision);
            if (revision > RevisionMax)
            {
                return Rejection(request);
            }
        }

        if (command == 0x31 && machine.Get(data, 1)[0] == RejectedStatus)
        {
            return Rejection(request);
        }

        ChannelResult result = machine.Start(request);
        if (command == 0xe4)
        {
            machine.Put(data, Identity);
        }

        return result;
    }

    public ulong Notify(ulong data, ulong cookie)
    {
        ulong given = machine.Notify(data, cookie) + (ulong)Cookies.Count + 1;
        Cookies.Add((cookie, given));
        return given;
    }

    private static ChannelResult Rejection(ChannelRequest request) =>
        new(
            request.ProgramAddress + 8,
            UnitStatus.ChannelEnd | UnitStatus.DeviceEnd | UnitStatus.UnitCheck,
            ChannelStatus.None,
            0
        );
}
