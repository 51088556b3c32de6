using Vireo.Core.Spec;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;

namespace Vireo.Homes.VhostUser.Messages;

/// <summary>The device as a whole: configuration space, status, reset.</summary>
internal static class DeviceMessages
{
    private static readonly int HeaderBytes = Wire.SizeOf<ConfigHeader>();

    /// <summary>The messages of this group.</summary>
    public static MessageKind[] All =>
        [
            new(FrontEndRequest.GetConfig, "GET_CONFIG", ConfigForm, GetConfig)
            {
                Feature = ProtocolFeature.Config,
                HasReply = true,
            },
            new(FrontEndRequest.SetConfig, "SET_CONFIG", ConfigForm, SetConfig) { Feature = ProtocolFeature.Config },
            new(FrontEndRequest.ResetDevice, "RESET_DEVICE", MessageForm.Empty, Reset)
            {
                Feature = ProtocolFeature.ResetDevice,
            },
            new(FrontEndRequest.SetStatus, "SET_STATUS", MessageForm.Number, SetStatus)
            {
                Feature = ProtocolFeature.Status,
            },
            new(FrontEndRequest.GetStatus, "GET_STATUS", MessageForm.Empty, GetStatus)
            {
                Feature = ProtocolFeature.Status,
                HasReply = true,
            },
        ];

    private static MessageForm ConfigForm => new(HeaderBytes, HeaderBytes + ConfigHeader.LengthMax, 0, 0);

    private static void GetConfig(VhostUserSession session, Message message)
    {
        ConfigHeader header = ReadHeader(message, mayBeBare: true);
        Span<byte> reply = stackalloc byte[HeaderBytes + (int)header.LengthBytes];
        Wire.Write(reply, in header);
        session.Lifecycle.Device.ReadConfig((int)header.Offset, reply[HeaderBytes..]);
        session.Reply(reply);
    }

    private static void SetConfig(VhostUserSession session, Message message)
    {
        ConfigHeader header = ReadHeader(message, mayBeBare: false);
        if (header.Flags > 1)
        {
            throw new ProtocolException($"flags {header.Flags:x}, where 0 (driver) or 1 (migration) was expected");
        }

        session.Lifecycle.Device.WriteConfig((int)header.Offset, message.Payload[HeaderBytes..]);
    }

    private static ConfigHeader ReadHeader(Message message, bool mayBeBare)
    {
        ConfigHeader header = message.Read<ConfigHeader>();
        int bytes = message.Payload.Length - HeaderBytes;
        bool isWhole = bytes == (long)header.LengthBytes || (mayBeBare && bytes == 0);
        if (!isWhole || header.LengthBytes == 0)
        {
            throw new ProtocolException($"{header.LengthBytes} bytes of configuration are named and {bytes} came");
        }

        if ((ulong)header.Offset + header.LengthBytes > ConfigHeader.LengthMax)
        {
            throw new ProtocolException(
                $"{header.LengthBytes} bytes at {header.Offset} of the configuration space, which has at most "
                    + $"{ConfigHeader.LengthMax}"
            );
        }

        return header;
    }

    private static void Reset(VhostUserSession session, Message message) => session.ResetDevice();

    private static void SetStatus(VhostUserSession session, Message message)
    {
        ulong status = message.Read<ulong>();
        if (status > byte.MaxValue)
        {
            throw new ProtocolException($"status {status:x} has more than 8 bits");
        }

        session.SetStatus((DeviceStatus)status);
    }

    private static void GetStatus(VhostUserSession session, Message message) =>
        session.Reply((ulong)session.Lifecycle.Status);
}
