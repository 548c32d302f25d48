//! Tokens by gRPC.

use holdfast_proto::error::Code;
use holdfast_proto::token::v1::tokens_server::Tokens;
use holdfast_proto::token::v1::{ValidateTokenRequest, ValidateTokenResponse};
use tonic::{Request, Response, Status};

use super::Service;
use crate::failure::Failure;
use crate::token;

#[tonic::async_trait]
impl Tokens for Service {
    async fn validate_token(
        &self,
        request: Request<ValidateTokenRequest>,
    ) -> Result<Response<ValidateTokenResponse>, Status> {
        let Some(rules) = &self.0.config.tokens else {
            let detail = "no keys are configured to judge tokens by";
            return Err(Failure::new(Code::NotFound, detail).into());
        };
        let answer = match token::judge(rules, &request.into_inner().token) {
            Ok(good) => ValidateTokenResponse {
                valid: true,
                subject: good.subject,
                expires_at: good.expires_at,
                reason: String::new(),
            },
            Err(reason) => ValidateTokenResponse {
                reason: reason.to_owned(),
                ..Default::default()
            },
        };
        Ok(Response::new(answer))
    }
}
