using System.Runtime.InteropServices;
using Vireo.Core.Spec;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Sockets;

namespace Vireo.Homes.VhostUser;

/// <content>Requests that the back-end sends to us.</content>
public sealed partial class VhostUserFrontEnd
{
    /// <summary>Requests handled at once; more wait for the next time.</summary>
    private const int RequestsPerTurnMax = 64;

    /// <summary>The socket that the back-end's requests come on; null when it may send none, or has broken the rules on it.</summary>
    private MessageSocket? _requests;

    /// <summary>Told when the back-end says that its configuration space has changed.</summary>
    internal Action? ConfigChanged { get; set; }

    /// <summary>What to watch for requests; null when none can come.</summary>
    internal SafeHandle? RequestHandle => _requests?.Handle;

    /// <summary>Handles the requests that have come. Never waits.</summary>
    /// <remarks>
    /// Whoever breaks the rules here loses this socket and no more: the rings do not depend on it, and neither does the rest of the
    /// protocol.
    /// </remarks>
    internal void HandleRequests()
    {
        try
        {
            for (int count = 0; count < RequestsPerTurnMax && _requests is { } socket; count++)
            {
                ReceiveOutcome outcome = socket.TryReceive();
                if (outcome != ReceiveOutcome.Received)
                {
                    if (outcome != ReceiveOutcome.WouldBlock)
                    {
                        DisposeRequests();
                    }

                    return;
                }

                HandleRequest(socket);
            }
        }
        catch (ProtocolException)
        {
            DisposeRequests();
        }
    }

    private void HandleRequest(MessageSocket socket)
    {
        Message request = socket.Message;
        // Nothing was negotiated that brings descriptors.
        request.CloseDescriptors();
        bool isKnown = (BackEndRequest)request.Request == BackEndRequest.ConfigChange && request.Payload.Length == 0;
        if (isKnown)
        {
            ConfigChanged?.Invoke();
        }

        if (request.NeedsReply)
        {
            ulong result = isKnown ? 0ul : 1ul;
            MessageHeader header = new()
            {
                Request = (uint)request.Request,
                Flags = MessageFlags.Version | MessageFlags.Reply,
            };
            if (!socket.Send(header, Wire.Bytes(ref result)))
            {
                DisposeRequests();
            }
        }
    }

    private void OpenRequests()
    {
        if (!Uses(ProtocolFeature.BackEndRequests))
        {
            return;
        }

        (UnixChannel ours, UnixChannel theirs) = UnixChannel.CreatePair();
        using (theirs)
        {
            _requests = new(ours);
            Send(FrontEndRequest.SetBackEndSocket, [], [theirs.Handle]);
        }
    }

    private void DisposeRequests()
    {
        _requests?.Dispose();
        _requests = null;
    }
}
