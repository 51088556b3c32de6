using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;

namespace Vireo.Homes.VhostUser.Messages;

/// <summary>What only some device types have: handed on to the device through the small interface that it then implements.</summary>
internal static class SpecialMessages
{
    private const int MacAddressBytes = 6;
    private const int SessionNumberBytes = sizeof(long);

    /// <summary>The messages of this group.</summary>
    public static MessageKind[] All =>
        [
            new(FrontEndRequest.SendRarp, "SEND_RARP", MessageForm.Number, Announce) { Feature = ProtocolFeature.Rarp },
            new(FrontEndRequest.SetMtu, "NET_SET_MTU", MessageForm.Number, SetMtu) { Feature = ProtocolFeature.Mtu },
            new(
                FrontEndRequest.CreateCryptoSession,
                "CREATE_CRYPTO_SESSION",
                new(2 * sizeof(ulong), Message.PayloadBytesMax, 0, 0),
                CreateCryptoSession
            )
            {
                Feature = ProtocolFeature.CryptoSession,
                HasReply = true,
            },
            new(FrontEndRequest.CloseCryptoSession, "CLOSE_CRYPTO_SESSION", MessageForm.Number, CloseCryptoSession)
            {
                Feature = ProtocolFeature.CryptoSession,
            },
            new(FrontEndRequest.SetGpuSocket, "GPU_SET_SOCKET", MessageForm.Empty.With(1, 1), SetDisplay),
            new(FrontEndRequest.GetSharedMemoryConfig, "GET_SHMEM_CONFIG", MessageForm.Empty, GetSharedMemoryConfig)
            {
                Feature = ProtocolFeature.SharedMemory,
                HasReply = true,
            },
            new(FrontEndRequest.GetSharedObject, "GET_SHARED_OBJECT", MessageForm.Of<Guid>(), GetSharedObject)
            {
                Feature = ProtocolFeature.SharedObject,
                HasReply = true,
            },
        ];

    private static void Announce(VhostUserSession session, Message message) =>
        DeviceAs<IAnnouncingDevice>(session).Announce(message.Payload[..MacAddressBytes]);

    private static void SetMtu(VhostUserSession session, Message message)
    {
        ulong mtu = message.Read<ulong>();
        if (mtu > ushort.MaxValue || !DeviceAs<IMtuDevice>(session).TrySetMtu((ushort)mtu))
        {
            throw new RefusalException($"the device does not take packets of {mtu} bytes");
        }
    }

    /// <summary>The session's number is the last field; all before it is between the front-end and the device.</summary>
    private static void CreateCryptoSession(VhostUserSession session, Message message)
    {
        int bytes = message.Payload.Length - SessionNumberBytes;
        long number = DeviceAs<ICryptoSessionDevice>(session).CreateSession(message.Payload[..bytes]);
        byte[] reply = message.Payload.ToArray();
        Wire.Write(reply.AsSpan(bytes), in number);
        session.Reply(reply);
    }

    private static void CloseCryptoSession(VhostUserSession session, Message message)
    {
        long number = message.Read<long>();
        if (!DeviceAs<ICryptoSessionDevice>(session).TryCloseSession(number))
        {
            throw new RefusalException($"there is no session {number}");
        }
    }

    private static void SetDisplay(VhostUserSession session, Message message) =>
        DeviceAs<IDisplayDevice>(session).SetDisplay(message.TakeDescriptor(0));

    /// <summary>The answer has room for all regions there can be, at the place of their ids.</summary>
    private static void GetSharedMemoryConfig(VhostUserSession session, Message message)
    {
        Span<ulong> answer = stackalloc ulong[1 + byte.MaxValue + 1];
        answer.Clear();
        foreach (SharedRegion region in session.Lifecycle.Device.SharedRegions)
        {
            answer[0]++;
            answer[1 + region.Id] = region.LengthBytes;
        }

        session.Reply(Wire.Reinterpret<ulong, byte>((ReadOnlySpan<ulong>)answer));
    }

    private static void GetSharedObject(VhostUserSession session, Message message)
    {
        Guid id = new(message.Payload, bigEndian: true);
        session.Reply(message.Payload, DeviceAs<ISharedObjectDevice>(session).FindShared(id));
    }

    private static T DeviceAs<T>(VhostUserSession session)
        where T : class =>
        session.Lifecycle.Device as T
        ?? throw new ProtocolException(
            $"the device is of type {session.Lifecycle.Device.Type}, which has no use for this"
        );
}
