using Microsoft.Win32.SafeHandles;
using Vireo.Homes.VfioUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Tests.Homes.VhostUser;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.VfioUser;

/// <summary>Clients that send whatever comes to mind: the home lives, leaks nothing, and serves the next one.</summary>
[Collection(DescriptorCountCollection.Name)]
public sealed class VfioUserFuzzTests
{
    private const int Connections = 60;
    private const int MessagesPerConnection = 400;

    [Fact]
    public void Messages_AnyContent_LeaveAWorkingHomeWithoutLeaks()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("VIREO_SEED"), out int given)
            ? given
            : Random.Shared.Next();
        Random random = new(seed);
        using HomeUnderTest home = new(new ProbeDevice());
        using GuestRam ram = new();
        using var descriptor = EventFd.Create();
        SafeFileHandle[] files = [ram.File.Handle, descriptor.Handle];
        ServeOnce(home, seed);
        int before = DescriptorCountCollection.Count();
        for (int connection = 0; connection < Connections; connection++)
        {
            using Client client = home.Connect();
            client.Agree();
            for (int message = 0; message < MessagesPerConnection && client.Drain(); message++)
            {
                SendSomething(client, random, files);
            }
        }

        ServeOnce(home, seed);
        Assert.True(
            SpinWait.SpinUntil(() => DescriptorCountCollection.Count() <= before, Client.Patience),
            $"seed {seed}: {DescriptorCountCollection.Count()} descriptors are open, {before} were before"
        );
    }

    private static void SendSomething(Client client, Random random, SafeFileHandle[] files)
    {
        byte[] payload = Payload(random, out Command command);
        SafeFileHandle[] descriptors =
        [
            .. Enumerable
                .Range(0, random.Next(4) == 0 ? random.Next(4) : 0)
                .Select(_ => files[random.Next(files.Length)]),
        ];
        HeaderFlags flags = random.Next(8) == 0 ? HeaderFlags.NoReply : HeaderFlags.None;
        switch (random.Next(200))
        {
            case 0:
                client.SendRaw(command, (uint)random.Next(), flags, payload, descriptors);
                break;
            case 1:
                client.SendStream(payload.Length == 0 ? [1] : payload, descriptors);
                break;
            case 2:
                client.SendRaw(command, (uint)payload.Length + 16, (HeaderFlags)random.Next(), payload, descriptors);
                break;
            default:
                client.Send(command, payload, descriptors, flags);
                break;
        }
    }

    private static byte[] Payload(Random random, out Command command)
    {
        switch (random.Next(8))
        {
            case 0:
                command = Command.DmaMap;
                return Client.MapRequest(
                    (ulong)random.Next(16) << 20,
                    (ulong)random.Next(3) << 20,
                    (ulong)random.Next(5) << 20,
                    (uint)random.Next(4)
                );
            case 1:
                command = Command.DmaUnmap;
                return Client.UnmapRequest(
                    (ulong)random.Next(16) << 20,
                    (ulong)random.Next(3) << 20,
                    (uint)random.Next(4)
                );
            case 2:
                command = Command.DeviceSetIrqs;
                return Client.IrqRequest(
                    (uint)random.Next(4),
                    (uint)random.Next(3),
                    (uint)random.Next(4),
                    1u << random.Next(3) | 8u << random.Next(3),
                    new byte[random.Next(4)]
                );
            case 3:
            case 4:
                command = Command.RegionWrite;
                byte[] data = new byte[1 << random.Next(4)];
                random.NextBytes(data);
                data[0] = random.Next(2) == 0 ? (byte)0x0f : data[0];
                uint region = random.Next(3) == 0 ? 7u : (uint)random.Next(2);
                return Client.AccessRequest(
                    region,
                    (ulong)random.Next(region == 7 ? 256 : 64),
                    (uint)data.Length,
                    data
                );
            case 5:
                command = Command.RegionRead;
                return Client.AccessRequest((uint)random.Next(10), (ulong)random.Next(0x4000), (uint)random.Next(64));
            default:
                command = (Command)random.Next(20);
                byte[] any = new byte[random.Next(100)];
                random.NextBytes(any);
                return any;
        }
    }

    private static void ServeOnce(HomeUnderTest home, int seed)
    {
        using Client client = home.Agree();
        client.Ask(Command.DeviceReset, []);
        using Guest guest = new(client);
        guest.Start();
        guest.Echo($"seed {seed}");
    }
}
